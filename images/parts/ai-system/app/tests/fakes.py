"""An agent whose store is a dictionary and whose peers are functions."""

from bedplate_app.client import CallError

from ai_system import catalogue
from ai_system.agent import Agent
from ai_system.config import for_agent, load
from ai_system.settings import from_environment

from . import PART

CONFIG = PART / "files" / "config"
TOKEN = "token-of-the-test"


class FakeStore:
    """The keys of the cluster in memory."""

    def __init__(self):
        self.kept, self.lists, self.numbers = {}, {}, {}
        self.broken = False

    def ping(self):
        """Raises when told to be broken."""
        if self.broken:
            raise ConnectionError("requirepass hunter2")

    def put(self, key, value, seconds=None):
        """Keeps an object."""
        self.kept[key] = value

    def get(self, key):
        """An object."""
        return self.kept.get(key)

    def push(self, key, value, most):
        """Puts an object at the head of a list."""
        self.lists[key] = [value, *self.lists.get(key, [])][:most]

    def newest(self, key, count):
        """The head of a list."""
        return self.lists.get(key, [])[:count]

    def next_number(self, key):
        """Counts up."""
        self.numbers[key] = self.numbers.get(key, 0) + 1
        return self.numbers[key]


def environment(machine="main_pc", **more):
    """The environment of an agent of `machine`."""
    return {
        "AI_SYSTEM_ENV": "prod",
        "AI_SYSTEM_MACHINE": machine,
        "AI_SYSTEM_CONFIG": str(CONFIG),
        "AI_SECURITY_AUTH_TOKEN": TOKEN,
        "AI_SECURITY_CURVE_KEY": "secret-of-the-test",
        **more,
    }


def agent(name, machine="main_pc"):
    """An agent that nobody serves; `peers` maps `(agent, path)` to a function from body to answer."""
    made = Agent(from_environment(environment(machine)), catalogue.read(CONFIG / "agents.toml"), name)
    made.config = for_agent(load(CONFIG, "prod"), name)
    made.store = FakeStore()
    made.peers = {}
    made.reported = []
    made.errors = Reporter(made.reported)

    def ask(entry, path, body):
        if (entry.name, path) not in made.peers:
            raise CallError(f"{entry.name} is not there")
        return made.peers[entry.name, path](body)

    made.ask = ask
    return made


class Reporter:
    """An error publisher that notes what it is told."""

    def __init__(self, reported):
        self._reported = reported

    def report_error(self, error_type, severity, message, context=None):
        """Notes one error."""
        self._reported.append((error_type, severity, message))
        return True
