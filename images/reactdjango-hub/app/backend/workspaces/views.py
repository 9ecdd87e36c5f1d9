"""`/api/workspaces`."""

from bedplate_app.web import WebError, text_of
from common.numbers import number_of
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from hub.errors import body_of
from hub.peers import callers, peers

from .models import Pin, Workspace

_LONGEST_NAME = 200


@require_http_methods(["GET", "POST"])
def workspaces(request: HttpRequest) -> JsonResponse:
    """The caller's workspaces, or a new one from `name`."""
    user = _user(request)
    if request.method == "POST":
        return _make(user, text_of(body_of(request), "name").strip())
    found = Workspace.objects.filter(owner=user).prefetch_related("pins").order_by("id")
    return JsonResponse({"workspaces": [workspace.describe() for workspace in found]})


@require_GET
def workspace(request: HttpRequest, id: int) -> JsonResponse:
    """One workspace of the caller."""
    return JsonResponse(_find(_user(request), id).describe())


@require_POST
def pins(request: HttpRequest, id: int) -> JsonResponse:
    """Pins a `document` of the caller; content-service knows whether it is."""
    user = _user(request)
    found = _find(user, id)
    number = number_of(body_of(request).get("document"))
    document = peers().get("content-service", f"/documents/{number}", user)
    Pin.objects.update_or_create(
        workspace=found, document=number, defaults={"title": document["title"]}
    )
    return JsonResponse(found.describe(), status=201)


def _user(request: HttpRequest) -> int:
    caller = callers().of(request)
    if not caller.user:
        raise WebError(403, "a service must say for whom it asks: `X-On-Behalf-Of`")
    return caller.user


def _make(user: int, name: str) -> JsonResponse:
    if len(name) > _LONGEST_NAME:
        raise WebError(400, f"`name`: expected at most {_LONGEST_NAME} characters")
    with transaction.atomic():
        made, new = Workspace.objects.get_or_create(owner=user, name=name)
    return JsonResponse(made.describe(), status=201 if new else 200)


def _find(user: int, id: int) -> Workspace:
    found = Workspace.objects.filter(owner=user, id=id).first()
    if found is None:
        raise WebError(404, "there is no such workspace")
    return found
