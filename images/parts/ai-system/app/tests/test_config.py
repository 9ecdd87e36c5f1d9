"""Catalogue, configuration and settings: what is refused, and how it is said."""

import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from bedplate_app.settings import SettingsError

from ai_system import catalogue
from ai_system.config import for_agent, merge, validate_environment_config
from ai_system.settings import from_environment
from ai_system.validate import main

from .fakes import CONFIG, environment


class CatalogueTest(unittest.TestCase):
    """The list of agents."""

    def test_everything_wrong_is_said_at_once(self):
        one = {"name": "a", "port": 8000, "group": "core", "role": "skill", "tasks": ["see"]}
        with self.assertRaises(catalogue.CatalogueError) as caught:
            catalogue.parse({"pc2": [one, {**one, "group": "cellar", "port": 80}, {**one, "name": "b"}]})
        for words in ("unknown group `cellar`", "port 80", "name `a`", "port `pc2 8000`", "task `pc2 see`"):
            self.assertIn(words, str(caught.exception))

    def test_the_same_port_on_both_machines_is_none_of_it(self):
        one = {"port": 8000, "group": "core", "role": "skill"}
        found = catalogue.parse({"main_pc": [{**one, "name": "a"}], "pc2": [{**one, "name": "b"}]})
        self.assertEqual(found.find("b").machine, "pc2")


class ConfigTest(unittest.TestCase):
    """Files by environment."""

    def test_later_tables_win_key_by_key(self):
        merged = merge({"common": {"a": 1, "b": 2}}, {"common": {"b": 3}, "agents": {"x": {"a": 4}}})
        self.assertEqual(for_agent(merged, "x"), {"a": 4, "b": 3})
        self.assertEqual(for_agent(merged, "y"), {"a": 1, "b": 3})

    def test_problems_name_table_and_key(self):
        with TemporaryDirectory() as directory:
            config = Path(directory)
            (config / "defaults").mkdir()
            (config / "agents.toml").write_text((CONFIG / "agents.toml").read_text())
            (config / "defaults/base.toml").write_text("[common]\nheartbeat_seconds = 0\n[agents.nobody]\n[other]\n")
            (config / "defaults/dev.toml").write_text("[agents.summarizer]\nheart_beat = 3\n")
            errors = "\n".join(validate_environment_config("dev", config).errors)
        for words in ("unknown table `other`", "`agents.nobody`", "unknown key `heart_beat`", "`heartbeat_seconds`: expected"):
            self.assertIn(words, errors)

    def test_an_unknown_environment_is_refused(self):
        self.assertEqual(main(["test", str(CONFIG)]), 1)
        self.assertEqual(main(["prod", str(CONFIG)]), 0)


class SettingsTest(unittest.TestCase):
    """Environment variables."""

    def test_secrets_are_not_shown(self):
        self.assertNotIn("secret-of-the-test", repr(from_environment(environment())))

    def test_production_leaves_nothing_open(self):
        for variable, value in (
            ("AI_SECURITY_ENABLE_AUTH", "false"),
            ("AI_SECURITY_SSL_ENABLED", "false"),
            ("AI_SYSTEM_DEBUG", "true"),
            ("AI_SYSTEM_MACHINE", "laptop"),
        ):
            with self.assertRaisesRegex(SettingsError, variable):
                from_environment(environment(**{variable: value}))

    def test_development_may(self):
        open_ = {"AI_SYSTEM_ENV": "dev", "AI_SECURITY_ENABLE_AUTH": "false", "AI_SYSTEM_DEBUG": "true"}
        self.assertEqual(from_environment(environment(**open_)).log_level, "DEBUG")
