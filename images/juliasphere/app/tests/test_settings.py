"""Settings are read from the environment, and secrets stay out of texts."""

import unittest

import tests  # noqa: F401
from bedplate_app.settings import SettingsError
from juliaos.settings import from_environment

ENVIRONMENT = {
    "INSTANCE_ID": "backend-1",
    "DB_NAME": "juliaos",
    "DB_USER": "juliaos",
    "DB_PASSWORD": "s3cret-database",
    "REDIS_PASSWORD": "s3cret-cache",
    "VALID_API_KEYS": "s3cret-key",
    "JWT_SECRET": "s3cret-token",
}


class SettingsTest(unittest.TestCase):
    """`from_environment`."""

    def test_the_figures_of_the_document_are_the_defaults(self):
        read = from_environment(ENVIRONMENT)
        self.assertEqual((read.address[1], read.threads, read.jwt_expiry), (8052, 4, 3600))
        pool = read.primary
        self.assertEqual((pool.pool_max, pool.pool_min, pool.connect_timeout), (20, 5, 30))

    def test_the_standby_is_another_host_of_the_same_database(self):
        read = from_environment(ENVIRONMENT | {"DB_STANDBY_HOST": "127.0.0.5", "DB_STANDBY_PORT": "5433"})
        self.assertEqual((read.standby.host, read.standby.port), ("127.0.0.5", 5433))
        self.assertEqual(read.standby.name, read.primary.name)

    def test_each_missing_variable_is_named(self):
        for variable in ENVIRONMENT:
            rest = {key: value for key, value in ENVIRONMENT.items() if key != variable}
            with self.subTest(variable), self.assertRaisesRegex(SettingsError, variable):
                from_environment(rest)

    def test_secrets_are_in_no_text(self):
        self.assertNotIn("s3cret", repr(from_environment(ENVIRONMENT)))
