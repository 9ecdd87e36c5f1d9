"""Settings are read from the environment, and secrets stay out of texts."""

import unittest

import tests  # noqa: F401
from agents.common import settings
from bedplate_app.settings import SettingsError

ENVIRONMENT = {
    "SCOUT_AGENT_PORT": "8002",
    "REDIS_URL": "unix:///run/redis/redis.sock",
    "POSTGRES_DB": "justnews",
    "POSTGRES_USER": "justnews_user",
    "POSTGRES_PASSWORD": "s3cret-value",
}


class SettingsTest(unittest.TestCase):
    """`from_environment`."""

    def test_a_whole_environment_is_read(self):
        read = settings.from_environment("scout", ENVIRONMENT)
        self.assertEqual((read.port, read.database.user), (8002, "justnews_user"))

    def test_the_bus_has_its_own_variable(self):
        self.assertEqual(settings.port_variable("mcp_bus"), "MCP_BUS_PORT")
        self.assertEqual(settings.port_variable("scout"), "SCOUT_AGENT_PORT")

    def test_each_missing_variable_is_named(self):
        for variable in ENVIRONMENT:
            rest = {key: value for key, value in ENVIRONMENT.items() if key != variable}
            with self.subTest(variable), self.assertRaisesRegex(SettingsError, variable):
                settings.from_environment("scout", rest)

    def test_a_number_that_is_none_is_refused(self):
        with self.assertRaisesRegex(SettingsError, "found `many`"):
            settings.from_environment("scout", {**ENVIRONMENT, "WORKERS": "many"})

    def test_the_password_is_in_no_text(self):
        self.assertNotIn("s3cret-value", repr(settings.from_environment("scout", ENVIRONMENT)))
