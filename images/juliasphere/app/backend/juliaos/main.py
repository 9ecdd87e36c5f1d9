"""The program of a back end: `python3 -m juliaos.main`."""

import os

from bedplate_app.postgres import Pool
from bedplate_app.program import run, serve

from .agents import Agents, Standby
from .backend import Backend, Parts
from .cache import Cache
from .settings import from_environment


def main() -> None:
    """Serves the back end that the environment describes."""
    settings = from_environment(os.environ)
    agents = Agents(Pool(settings.primary), Standby(settings.standby))
    cache = Cache(settings.redis_host, settings.redis_port, settings.redis_password)
    backend = Backend(settings, Parts(agents, cache))
    backend.recover()
    serve(backend.program, backend.routes())


if __name__ == "__main__":
    run("juliaos", main)
