"""The small parts: settings, passwords, numbers, what a run finds out, the directory."""

import json
import unittest
from unittest.mock import MagicMock

import tests  # noqa: F401
from bedplate_app.settings import SettingsError
from bedplate_app.web import WebError
from common import settings
from common.directory import Directory, NobodyThere, Place
from common.numbers import number_of
from identity import passwords
from kazoo.exceptions import ConnectionLoss, NodeExistsError, NoNodeError
from workflow.intelligence import examine

from .fakes import TEXT

ENVIRONMENT = {
    "SERVICE_NAME": "content-service",
    "PORT": "8003",
    "POSTGRES_DB": "content_service",
    "POSTGRES_USER": "content_user",
    "POSTGRES_PASSWORD": "s3cret-value",
    "REDIS_URL": "unix:///run/redis/content.sock",
    "ZOOKEEPER_HOSTS": "127.0.0.1:2181",
    "SERVICE_KEY": "s3cret-key",
}


class SettingsTest(unittest.TestCase):
    """`from_environment`."""

    def test_a_whole_environment_is_read(self):
        read = settings.from_environment({**ENVIRONMENT, "MAX_CONNECTIONS": "100"})
        self.assertEqual((read.port, read.database.pool_max, read.workers), (8003, 100, 4))
        self.assertEqual((read.instance, read.log_level), ("content-service", "WARNING"))

    def test_each_missing_variable_is_named(self):
        for variable in ENVIRONMENT:
            rest = {key: value for key, value in ENVIRONMENT.items() if key != variable}
            with self.subTest(variable), self.assertRaisesRegex(SettingsError, variable):
                settings.from_environment(rest)

    def test_levels(self):
        table = {"warning": "WARNING", "debug": "DEBUG"}
        for level, expected in table.items():
            self.assertEqual(settings.log_level({"LOG_LEVEL": level}), expected)
        self.assertEqual(settings.log_level({"LOG_LEVEL": "error", "DEBUG": "true"}), "DEBUG")
        with self.assertRaisesRegex(SettingsError, "found `loud`"):
            settings.log_level({"LOG_LEVEL": "loud"})

    def test_secrets_are_in_no_text(self):
        self.assertNotIn("s3cret", repr(settings.from_environment(ENVIRONMENT)))


class PartsTest(unittest.TestCase):
    """The pure parts."""

    def test_passwords(self):
        stored = passwords.store("correct horse")
        self.assertNotEqual(stored, passwords.store("correct horse"))
        self.assertTrue(passwords.matches("correct horse", stored))
        self.assertFalse(passwords.matches("correct house", stored))

    def test_numbers(self):
        self.assertEqual([number_of(1), number_of("17")], [1, 17])
        for bad in (0, -1, "x", "", None, True, 1.5, "٣", 1 << 63):
            with self.subTest(bad), self.assertRaises(WebError):
                number_of(bad)

    def test_what_a_run_finds_out(self):
        found = examine(TEXT)
        self.assertEqual((found["words"], found["topics"][:2]), (21, ["harbour", "plan"]))
        self.assertIn("40 million euros", found["summary"])
        self.assertEqual(examine(" "), {"words": 0, "topics": [], "summary": ""})


class DirectoryTest(unittest.TestCase):
    """The registry, with a client that is told what to answer."""

    def setUp(self):
        self.client = MagicMock(connected=True)
        self.directory = Directory("unused", self.client)

    def _answer(self, call, value):
        answer = getattr(self.client, call).return_value
        answer.get.side_effect = value if isinstance(value, Exception) else [value] * 9

    def test_places_are_read(self):
        place = {"service": "s", "instance": "s-1", "address": "127.0.0.1", "port": 8003}
        self._answer("get_children_async", ["s-1"])
        self._answer("get_async", (json.dumps(place).encode(), None))
        self.assertEqual(self.directory.find("s").url, "http://127.0.0.1:8003")
        self._answer("get_async", (b"not a place", None))
        self.assertEqual(self.directory.places("s"), [])

    def test_the_last_known_places_outlive_zookeeper(self):
        self.test_places_are_read()
        self._answer("get_children_async", ["s-1"])
        place = {"service": "s", "instance": "s-1", "address": "127.0.0.1", "port": 8003}
        self._answer("get_async", (json.dumps(place).encode(), None))
        known = self.directory.places("s")
        self.client.connected = False
        self.assertEqual(self.directory.places("s"), known)
        self.client.connected = True
        self._answer("get_children_async", ConnectionLoss("away"))
        self.assertEqual(self.directory.places("s"), known)

    def test_an_instance_is_listed_when_zookeeper_is_there(self):
        place = Place("s", "s-1", "127.0.0.1", 8003)
        self.client.connected = False
        self.directory.announce(place)
        self.client.create_async.assert_not_called()
        self.client.connected = True
        self.directory.announce(place)
        path = self.client.create_async.call_args.args[0]
        self.assertEqual(path, "/services/s/s-1")

    def test_the_node_of_a_session_that_is_gone_is_replaced(self):
        place = Place("s", "s-1", "127.0.0.1", 8003)
        self.client.client_id = (7, b"")
        self.client.create_async.return_value.get.side_effect = [NodeExistsError("there"), None]
        status = MagicMock(ephemeralOwner=6)
        self.client.get_async.return_value.get.side_effect = [(b"old", status)]
        self.directory.announce(place)
        self.client.delete_async.assert_called_once_with("/services/s/s-1")
        self.assertEqual(self.client.create_async.call_count, 2)

    def test_a_service_that_never_was(self):
        self._answer("get_children_async", NoNodeError("none"))
        with self.assertRaises(NobodyThere):
            self.directory.find("s")


if __name__ == "__main__":
    unittest.main()
