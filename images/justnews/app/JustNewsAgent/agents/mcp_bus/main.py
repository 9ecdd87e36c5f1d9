"""The program of the bus: `python3 -m agents.mcp_bus.main`."""

import os

from agents.common.agent import load, serve
from bedplate_app import program

from .bus import Bus


def main() -> None:
    """Serves the bus."""
    agent = load("mcp_bus", {})
    serve(agent, Bus(agent).routes())


if __name__ == "__main__":
    program.run("mcp_bus", main, os.environ.get("LOG_LEVEL", "INFO"))
