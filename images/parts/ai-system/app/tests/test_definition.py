"""Both images, held against the catalogue of agents."""

import tomllib
import unittest

from ai_system import catalogue
from ai_system.config import validate_environment_config
from ai_system.roles.orchestrator import DOCUMENT
from ai_system.roles.vision import FINDERS, STAGES
from ai_system.skills import skill

from . import IMAGES
from .fakes import CONFIG

MACHINES = {"main_pc": ("ai-system-main", 52), "pc2": ("ai-system-pc2", 22)}


def instances(image):
    """The agents of an image: the table of each instance by its name."""
    with (IMAGES / image / "image.toml").open("rb") as file:
        services = tomllib.load(file)["service"]
    template = next(service for service in services if service["name"] == image)
    return {one["name"]: one for one in template["instance"]}


class DefinitionTest(unittest.TestCase):
    """What the images say of agents, and what agents say of themselves."""

    def setUp(self):
        self.agents = catalogue.read(CONFIG / "agents.toml")

    def test_each_agent_is_an_instance_with_its_port(self):
        for machine, (image, count) in MACHINES.items():
            found = {name: one["port"] for name, one in instances(image).items()}
            expected = {entry.name: entry.port for entry in self.agents.on(machine)}
            self.assertEqual(found, expected)
            self.assertEqual(len(found), count)

    def test_agents_require_agents_of_their_own_group_or_an_earlier_one(self):
        order = catalogue.GROUPS.index
        for machine, (image, _) in MACHINES.items():
            for name, one in instances(image).items():
                required = [r.partition("@")[2] for r in one.get("requires", []) if r.startswith(image)]
                self.assertTrue(required or name == self.agents.first(machine, "registry").name, name)
                for other in required:
                    groups = self.agents.find(other).group, self.agents.find(name).group
                    self.assertLessEqual(order(groups[0]), order(groups[1]), (name, other))

    def test_the_front_door_is_where_the_document_has_it(self):
        for name in ("agent_orchestrator", "memory_orchestrator_service"):
            self.assertEqual(self.agents.find(name).port, 8080)
        for machine in MACHINES:
            self.assertEqual(self.agents.first(machine, "registry").port, 8000)

    def test_every_task_of_a_skill_agent_has_a_skill(self):
        for machine in MACHINES:
            for entry in self.agents.on(machine):
                if entry.role == "skill":
                    self.assertTrue(entry.tasks, entry.name)
                    for kind in entry.tasks:
                        self.assertTrue(callable(skill(kind)))

    def test_pipelines_ask_for_tasks_that_somebody_does(self):
        for kind in DOCUMENT:
            self.assertIsNotNone(self.agents.doing("main_pc", kind), kind)
        for kind in (*STAGES, *FINDERS, "scene", "remember", "digest"):
            self.assertIsNotNone(self.agents.doing("pc2", kind), kind)

    def test_every_environment_is_valid(self):
        for environment in ("dev", "staging", "prod"):
            self.assertEqual(validate_environment_config(environment, CONFIG).errors, [])
