"""How the program of an agent begins and ends."""

import os
from typing import Callable

from bedplate_app import program
from bedplate_app.web import Route

from ..agent import Agent, Stores, connect
from ..settings import Environment, Settings, common

# Makes an agent of its settings; returns it and the routes that only it has.
Build = Callable[[Settings, Stores, Environment], tuple[Agent, list[Route]]]


def run(name: str, build: Build) -> None:
    """The whole program of the agent `name`."""

    def main() -> None:
        settings = common(name, os.environ)
        agent, routes = build(settings, connect(settings), os.environ)
        agent.start()
        program.serve(agent.program, agent.routes() + routes)

    program.run(name, main, os.environ.get("LOG_LEVEL", "INFO"))
