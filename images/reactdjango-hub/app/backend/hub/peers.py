"""The other services, as one process of the back end sees them."""

import functools
import os

from bedplate_app.settings import number, text
from common.callers import Callers
from common.directory import Directory
from common.peers import Peers
from django.core.cache import cache

NAME = "django-backend"


@functools.cache
def directory() -> Directory:
    """The registry of services; connected at first use, so in the process that serves."""
    return Directory(text(os.environ, "ZOOKEEPER_HOSTS"))


@functools.cache
def peers() -> Peers:
    """Calls to the services."""
    timeout = number(os.environ, "REQUEST_TIMEOUT", "30")
    return Peers(directory(), NAME, text(os.environ, "SERVICE_KEY"), timeout)


@functools.cache
def callers() -> Callers:
    """Who asks."""
    return Callers(cache, peers().validate)
