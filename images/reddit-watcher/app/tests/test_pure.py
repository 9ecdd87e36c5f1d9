"""Texts, settings, migrations, queue, registry."""

import tempfile
import unittest
from pathlib import Path

import tests
from bedplate_app.settings import SettingsError
from reddit_watcher import settings, text
from reddit_watcher.a2a.registry import Registry
from reddit_watcher.migrate import load
from reddit_watcher.queue import Queue

from .fakes import FakeRedis

ENVIRONMENT = {
    "FILTER_PORT": "8002",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "A2A_API_KEY": "k3y-value",
    "POSTGRES_DB": "reddit_watcher",
    "POSTGRES_USER": "reddit_watcher_user",
    "POSTGRES_PASSWORD": "s3cret-value",
}


class TextTest(unittest.TestCase):
    """Relevance and summaries."""

    def test_relevance(self):
        topics = ["Rust", "C++", "A2A protocol"]
        table = [
            ("Rust 2.0", "", 0.6, ["Rust"]),
            ("rust and C++", "", 1.0, ["Rust", "C++"]),
            ("Trust me", "crusty", 0.0, []),
            ("News", "The a2a protocol, in C++", 0.6, ["C++", "A2A protocol"]),
        ]
        for title, body, relevance, found in table:
            with self.subTest(title):
                self.assertEqual(text.relevance(title, body, topics), (relevance, found))

    def test_summary(self):
        body = "Agents speak. It rained. Agents speak the protocol of agents!"
        self.assertEqual(text.summary("Agents", body, 2, 200), "Agents speak. Agents speak the protocol of agents!")
        self.assertEqual(text.summary("Title", "", 2, 200), "Title")
        self.assertEqual(text.summary("Title", "word " * 40, 1, 20), "word word word…")


class SettingsTest(unittest.TestCase):
    """`common`, and the readers beside it."""

    def test_each_missing_variable_is_named(self):
        self.assertEqual(settings.common("filter", ENVIRONMENT).port, 8002)
        for variable in ENVIRONMENT:
            rest = {key: value for key, value in ENVIRONMENT.items() if key != variable}
            with self.subTest(variable), self.assertRaisesRegex(SettingsError, variable):
                settings.common("filter", rest)

    def test_secrets_are_in_no_text(self):
        shown = repr(settings.common("filter", {**ENVIRONMENT, "REDIS_PASSWORD": "r3dis"}))
        for secret in ("s3cret-value", "k3y-value", "r3dis"):
            self.assertNotIn(secret, shown)

    def test_fractions(self):
        self.assertEqual(settings.fraction({"F": "0.25"}, "F", "1"), 0.25)
        for value in ("2", "-1", "x", "nan"):
            with self.assertRaisesRegex(SettingsError, "`F`"):
                settings.fraction({"F": value}, "F", "1")


class MigrationsTest(unittest.TestCase):
    """The numbered files."""

    def test_the_image_has_them_without_a_gap(self):
        self.assertEqual(len(load(tests.IMAGE / "app/migrations")), 3)

    def test_gaps_and_strays_are_refused(self):
        for name in ("0002_second.sql", "notes.txt"):
            with tempfile.TemporaryDirectory() as directory:
                (Path(directory) / name).touch()
                with self.assertRaisesRegex(SettingsError, "0001_name.sql"):
                    load(Path(directory))


class RedisTest(unittest.TestCase):
    """What is kept there."""

    def setUp(self):
        self.now = 100.0
        self.redis = FakeRedis()
        self.queue = Queue(self.redis, lambda: self.now)

    def test_the_queue_is_in_order_and_knows_its_age(self):
        self.queue.push(7)
        self.now = 130
        self.queue.push(3)
        self.queue.push(7)
        self.assertEqual((self.queue.waiting(9), self.queue.length()), ([7, 3], 2))
        self.assertEqual(self.queue.oldest_seconds(), 30)
        self.queue.pop(7)
        self.queue.pop(3)
        self.assertEqual(self.queue.oldest_seconds(), 0)

    def test_one_at_a_time_works_on_a_post(self):
        self.assertTrue(self.queue.take(1, 60))
        self.assertFalse(self.queue.take(1, 60))
        self.queue.give(1)
        self.assertTrue(self.queue.take(1, 60))

    def test_rates_are_by_the_minute(self):
        self.assertEqual([self.queue.may_call("x", 2) for _ in range(3)], [True, True, False])
        self.now += 60
        self.assertTrue(self.queue.may_call("x", 2))

    def test_a_silent_agent_is_known_and_not_alive(self):
        registry = Registry(self.redis, 60, lambda: self.now)
        registry.register({"name": "filter", "url": "http://127.0.0.1:8002/a2a"})
        self.now += 60
        self.assertEqual(registry.alive()["filter"].url, "http://127.0.0.1:8002/a2a")
        self.now += 1
        self.assertEqual((list(registry.alive()), list(registry.known())), ([], ["filter"]))
