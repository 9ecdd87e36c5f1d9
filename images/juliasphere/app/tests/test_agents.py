"""Which database is asked."""

import unittest
from contextlib import contextmanager
from unittest.mock import MagicMock

import psycopg2

import tests  # noqa: F401
from juliaos.agents import Agents, is_id

ROW = ("1", "ada")


class FakePool:
    """Answers each query with the same rows; counts them."""

    def __init__(self, rows=(), error=None):
        self.rows, self.error, self.asked = list(rows), error, 0

    @contextmanager
    def cursor(self):
        """A cursor; raises when the database is away."""
        self.asked += 1
        if self.error:
            raise self.error
        cursor = MagicMock(description=[("id",), ("user_id",)])
        cursor.fetchall.return_value = self.rows
        yield cursor


def agents(primary, standby):
    """Agents whose pools are these."""
    return Agents(primary, MagicMock(pool=lambda: standby))


class ReadTest(unittest.TestCase):
    """`Agents.read` and `Agents.newest`."""

    def test_the_standby_answers(self):
        primary, standby = FakePool(), FakePool([ROW])
        self.assertEqual(agents(primary, standby).read("1"), {"id": "1", "user_id": "ada"})
        self.assertEqual((primary.asked, standby.asked), (0, 1))

    def test_the_primary_answers_for_a_standby_that_is_late(self):
        primary, standby = FakePool([ROW]), FakePool()
        self.assertEqual(agents(primary, standby).read("1")["user_id"], "ada")

    def test_the_primary_answers_for_a_standby_that_is_away(self):
        primary, standby = FakePool([ROW]), FakePool(error=psycopg2.Error("away"))
        with self.assertLogs("juliaos.agents", "WARNING"):
            self.assertEqual(len(agents(primary, standby).newest(None, None)), 1)

    def test_nobody_has_it(self):
        self.assertIsNone(agents(FakePool(), FakePool()).read("1"))


class IdTest(unittest.TestCase):
    """`is_id`."""

    def test_ids_are_uuids_as_the_database_writes_them(self):
        good = "6f1c9f0e-3c83-4a0e-9b35-0b7f5a3a5a10"
        for text, expected in [(good, True), (good.upper(), False), ("1", False), (f"{good}0", False)]:
            with self.subTest(text):
                self.assertEqual(is_id(text), expected)
