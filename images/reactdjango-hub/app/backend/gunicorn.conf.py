"""How gunicorn serves the back end; figures come from the environment.

The master lists the back end in ZooKeeper; each worker looks things up with a session of its own.
"""

import os
import threading
from pathlib import Path

from bedplate_app.settings import number
from common.directory import Directory, Place
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from prometheus_client import multiprocess

bind = f"127.0.0.1:{number(os.environ, 'PORT', '8000')}"
wsgi_app = "hub.wsgi:application"
worker_class = "gthread"
workers = number(os.environ, "WORKERS", "4")
threads = 4
timeout = number(os.environ, "REQUEST_TIMEOUT", "30")
graceful_timeout = 10
# Where a worker shows that it lives: memory, as the root is read-only.
worker_tmp_dir = os.environ["RUNTIME_DIRECTORY"]
# Workers are forked from a process that has everything loaded.
preload_app = True
loglevel = os.environ.get("LOG_LEVEL", "warning")

_stopping = threading.Event()


def on_starting(_) -> None:
    """Drops the metrics of processes before this one: counters start at nothing, as everywhere."""
    for left in Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).glob("*.db"):
        left.unlink()


def when_ready(server) -> None:
    """Lists the back end until the master stops."""
    threading.Thread(target=_announce, args=(server,), daemon=True).start()


def post_worker_init(_) -> None:
    """Opens the worker's session before the first request needs it."""
    from hub.peers import directory

    directory()


def on_exit(_) -> None:
    """Ends the listing."""
    _stopping.set()


def child_exit(_, worker) -> None:
    """Drops the gauges of a process that is gone."""
    multiprocess.mark_process_dead(worker.pid)


def _announce(server) -> None:
    directory = Directory(os.environ["ZOOKEEPER_HOSTS"])
    place = Place("django-backend", "django", "127.0.0.1", server.address[0][1])
    while not _stopping.is_set():
        try:
            directory.announce(place)
        except (KazooException, KazooTimeoutError) as error:
            server.log.warning("ZooKeeper: %s", type(error).__name__)
        _stopping.wait(5)
