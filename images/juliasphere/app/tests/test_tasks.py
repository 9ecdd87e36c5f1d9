"""What an agent computes, and which settings it takes."""

import unittest

import tests  # noqa: F401
from juliaos.swarm import Task, minimise
from juliaos.tasks import TaskError, task_of


class SwarmTest(unittest.TestCase):
    """`minimise`."""

    def test_it_finds_the_least_value(self):
        for objective, least in [("sphere", 1e-4), ("rastrigin", 2.0)]:
            with self.subTest(objective):
                found = minimise(Task(objective))
                self.assertLess(found.value, least)
                self.assertEqual(len(found.position), 2)

    def test_the_same_task_gives_the_same_result(self):
        self.assertEqual(minimise(Task("sphere", seed=3)), minimise(Task("sphere", seed=3)))
        self.assertNotEqual(minimise(Task("sphere", seed=3)), minimise(Task("sphere", seed=4)))


class TaskTest(unittest.TestCase):
    """`task_of`."""

    def test_good_settings(self):
        self.assertEqual(task_of({}), Task("sphere"))
        self.assertEqual(task_of({"objective": "rastrigin", "rounds": 5}), Task("rastrigin", rounds=5))

    def test_bad_settings_are_named(self):
        table = [
            ([], "settings"), ({"objective": "x"}, "objective"), ({"objective": []}, "objective"),
            ({"speed": 1}, "speed"), ({"rounds": 0}, "rounds"), ({"rounds": 201}, "rounds"),
            ({"rounds": True}, "rounds"), ({"seed": -1}, "seed"), ({"particles": "3"}, "particles"),
        ]
        for settings, name in table:
            with self.subTest(settings), self.assertRaisesRegex(TaskError, f"`{name}`"):
                task_of(settings)
