"""`/health`, `/metrics`, `POST /shutdown`."""

import os
import signal

from bedplate_app.program import state
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET, require_POST
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess

from .peers import NAME


@require_GET
def health(_: HttpRequest) -> JsonResponse:
    """200 when database and cache answer, else 503; each with the state of each part."""
    checks = {"database": _check_database, "cache": lambda: cache.get("health")}
    parts = {name: state(check) for name, check in checks.items()}
    healthy = all(found == "ok" for found in parts.values())
    body = {"service": NAME, "healthy": healthy, "parts": parts}
    return JsonResponse(body, status=200 if healthy else 503)


@require_GET
def metrics(_: HttpRequest) -> HttpResponse:
    """The metrics of all processes together."""
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


@require_POST
def shutdown(_: HttpRequest) -> JsonResponse:
    """Ends the back end: gunicorn lets its workers finish what they are at."""
    os.kill(os.getppid(), signal.SIGTERM)
    return JsonResponse({"stopping": NAME})


def _check_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
