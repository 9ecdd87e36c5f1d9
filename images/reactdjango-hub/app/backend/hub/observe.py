"""Counts and times every answer; the processes of gunicorn add up in `PROMETHEUS_MULTIPROC_DIR`."""

import time

from django.http import HttpRequest
from prometheus_client import Counter, Histogram

REQUESTS = Counter(
    "http_requests_total", "HTTP requests answered.", ["service", "method", "route", "status"]
)
SECONDS = Histogram(
    "http_request_duration_seconds", "Seconds until a request was answered.", ["service", "route"]
)
_SERVICE = "django-backend"


class Observe:
    """Middleware around everything else."""

    def __init__(self, get_response):
        self._get_response = get_response

    def __call__(self, request: HttpRequest):
        start = time.monotonic()
        response = self._get_response(request)
        route = f"/{request.resolver_match.route}" if request.resolver_match else "none"
        REQUESTS.labels(_SERVICE, request.method, route, str(response.status_code)).inc()
        SECONDS.labels(_SERVICE, route).observe(time.monotonic() - start)
        return response
