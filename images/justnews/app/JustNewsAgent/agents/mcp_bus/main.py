"""The program of the bus: `python3 -m agents.mcp_bus.main`."""

from agents.common.agent import load, serve

from .bus import Bus

if __name__ == "__main__":
    agent = load("mcp_bus", {})
    serve(agent, Bus(agent).routes())
