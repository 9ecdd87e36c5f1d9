"""Which services run: what is listed in ZooKeeper, in the form in which Consul would tell it."""

from typing import Any

from bedplate_app.web import WebError
from common.directory import Place
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET
from kazoo.exceptions import KazooException

from .peers import directory


@require_GET
def services(_: HttpRequest) -> JsonResponse:
    """All services that were ever listed, each with its tags (there are none)."""
    try:
        return JsonResponse({name: [] for name in directory().services()})
    except KazooException as error:
        raise WebError(503, f"ZooKeeper: {type(error).__name__}") from error


@require_GET
def health_of(_: HttpRequest, name: str) -> JsonResponse:
    """The running instances of a service; an empty list when there is none."""
    found = [describe(place) for place in directory().places(name)]
    return JsonResponse(found, safe=False)


def describe(place: Place) -> dict[str, Any]:
    """One entry of Consul's `/v1/health/service/NAME`."""
    return {
        "Node": {"Node": "hub", "Address": place.address},
        "Service": {
            "ID": place.instance,
            "Service": place.service,
            "Address": place.address,
            "Port": place.port,
        },
        # Whoever is listed has a session that lives; there is no other check.
        "Checks": [{"CheckID": f"session:{place.instance}", "Status": "passing"}],
    }
