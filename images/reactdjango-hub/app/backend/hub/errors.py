"""Refusals as JSON: a view raises `WebError`, whoever asked gets its status and message."""

import json
from typing import Any

from bedplate_app.web import WebError
from django.http import HttpRequest, JsonResponse


class Errors:
    """Middleware that turns `WebError` into an answer."""

    def __init__(self, get_response):
        self._get_response = get_response

    def __call__(self, request: HttpRequest):
        return self._get_response(request)

    def process_exception(self, _: HttpRequest, error: Exception) -> JsonResponse | None:
        """The answer for a `WebError`; other exceptions are Django's."""
        if isinstance(error, WebError):
            return JsonResponse({"error": str(error)}, status=error.status)
        return None


def body_of(request: HttpRequest) -> dict[str, Any]:
    """The JSON object of a request; raises `WebError` 400."""
    try:
        body = json.loads(request.body or b"{}")
    except ValueError as error:
        raise WebError(400, "expected a JSON object") from error
    if not isinstance(body, dict):
        raise WebError(400, "expected a JSON object")
    return body
