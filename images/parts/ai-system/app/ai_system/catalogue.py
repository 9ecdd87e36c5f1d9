"""Which agents there are on both machines: `agents.toml`."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MACHINES = ("main_pc", "pc2")
GROUPS = ("infrastructure", "core", "processing", "interface")


class CatalogueError(Exception):
    """A catalogue that cannot be meant."""


@dataclass(frozen=True)
class Entry:
    """One agent: where it listens, what it is, which kinds of task it does."""

    name: str
    machine: str
    port: int
    group: str
    role: str
    tasks: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Where the agent is reached on its own machine."""
        return f"http://127.0.0.1:{self.port}"


class Catalogue:
    """All agents; names are unique over both machines, ports on one."""

    def __init__(self, entries: list[Entry]):
        self._entries = {entry.name: entry for entry in entries}
        self._tasks = {(e.machine, task): e for e in entries for task in e.tasks}

    def on(self, machine: str) -> list[Entry]:
        """The agents of one machine, in the order of the file."""
        return [entry for entry in self._entries.values() if entry.machine == machine]

    def find(self, name: str) -> Entry:
        """One agent; raises `CatalogueError` for a name that is not there."""
        if name not in self._entries:
            raise CatalogueError(f"there is no agent `{name}`")
        return self._entries[name]

    def first(self, machine: str, role: str) -> Entry:
        """The first agent of `machine` with that role; raises `CatalogueError`."""
        for entry in self.on(machine):
            if entry.role == role:
                return entry
        raise CatalogueError(f"there is no agent with role `{role}` on {machine}")

    def doing(self, machine: str, task: str) -> Entry | None:
        """Who does that kind of task on `machine`."""
        return self._tasks.get((machine, task))


def read(path: Path) -> Catalogue:
    """The catalogue in a file; raises `CatalogueError` with all that is wrong."""
    with path.open("rb") as file:
        return parse(tomllib.load(file))


def parse(tables: dict[str, Any]) -> Catalogue:
    """A catalogue from the tables of its file."""
    entries = [_entry(machine, table) for machine in MACHINES for table in tables.get(machine, [])]
    problems = problems_of(entries)
    if problems:
        raise CatalogueError("; ".join(problems))
    return Catalogue(entries)


def problems_of(entries: list[Entry]) -> list[str]:
    """What is wrong with the agents taken together."""
    problems = [f"`{e.name}`: unknown group `{e.group}`" for e in entries if e.group not in GROUPS]
    # The firewall lets these through, as the deployment document has it.
    problems += [f"`{e.name}`: port {e.port} is not in 8000 to 8100" for e in entries if not 8000 <= e.port <= 8100]
    problems += _twice("name", [e.name for e in entries])
    problems += _twice("port", [f"{e.machine} {e.port}" for e in entries])
    problems += _twice("task", [f"{e.machine} {task}" for e in entries for task in e.tasks])
    return problems


def _entry(machine: str, table: dict[str, Any]) -> Entry:
    try:
        return Entry(**{**table, "machine": machine, "tasks": tuple(table.get("tasks", ()))})
    except TypeError as error:
        raise CatalogueError(f"an agent of {machine}: {error}") from error


def _twice(what: str, found: list[str]) -> list[str]:
    return [f"{what} `{one}` is there twice" for one in sorted(set(found)) if found.count(one) > 1]
