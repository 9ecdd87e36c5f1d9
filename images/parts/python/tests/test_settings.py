"""Variables are read, or refused with their name."""

import unittest

from bedplate_app import settings


class SettingsTest(unittest.TestCase):
    """One variable at a time."""

    def test_a_password_is_never_shown(self):
        """Not in the `repr` either."""
        environment = {"POSTGRES_DB": "d", "POSTGRES_USER": "u", "POSTGRES_PASSWORD": "hunter2"}
        self.assertNotIn("hunter2", repr(settings.database(environment)))

    def test_what_is_wrong_is_named(self):
        """Variable and value."""
        cases = [
            (settings.text, {}, "`X` is not set"),
            (settings.number, {"X": "-1"}, "`X`: expected a number, found `-1`"),
            (settings.flag, {"X": "yes"}, "`X`: expected true or false, found `yes`"),
        ]
        for read, environment, message in cases:
            with self.subTest(message), self.assertRaisesRegex(settings.SettingsError, message):
                read(environment, "X")
        self.assertTrue(settings.flag({"X": "True"}, "X"))
        self.assertEqual(settings.number({}, "X", "3"), 3)
