"""The program of identity-service: `python3 -m identity.main`."""

import hmac
import logging
import os
from datetime import datetime, timezone
from typing import Any, Mapping

from bedplate_app.settings import number, text
from bedplate_app.web import Request, Response, Route, WebError, text_of
from common.callers import bearer
from common.service import Service, run
from common.settings import Settings

from . import passwords
from .accounts import Account, Accounts
from .tokens import BadToken, Tokens

NAME = "identity-service"
HELPS = {
    "identity_logins_total": "Log ins.",
    "identity_failed_logins_total": "Log ins that were refused.",
    "identity_registrations_total": "Accounts made.",
}
# Services that get tokens, and the variables of their keys.
KEYS = {
    "django-backend": "DJANGO_SERVICE_KEY",
    "communication-service": "COMMUNICATION_SERVICE_KEY",
    "content-service": "CONTENT_SERVICE_KEY",
    "workflow-intelligence-service": "WORKFLOW_SERVICE_KEY",
}
SHORTEST_PASSWORD = 8
# So many wrong passwords for one address within so many seconds, and it must wait.
_TRIES, _WINDOW = 10, 300
_log = logging.getLogger(NAME)


class Identity:
    """The routes of identity-service."""

    def __init__(self, service: Service, tokens: Tokens, keys: Mapping[str, str], accounts=None):
        self._service = service
        self._tokens = tokens
        self._keys = keys
        self._cache = service.stores.cache
        self._accounts = accounts or Accounts(service.stores.database)
        for name in HELPS:
            service.metrics.add(name, 0)

    def routes(self) -> list[Route]:
        """All of them."""
        route = self._service.route
        return [
            route("POST", "/register", self.register),
            route("POST", "/login", self.login),
            route("POST", "/logout", self.logout),
            route("GET", "/me", self.me),
            route("POST", "/validate", self.validate),
            route("POST", "/service-token", self.service_token),
        ]

    def register(self, request: Request) -> Response:
        """Makes an account from `email`, `name` and `password`."""
        email, name = text_of(request.body, "email").strip().lower(), text_of(request.body, "name")
        password = text_of(request.body, "password")
        if "@" not in email:
            raise WebError(400, "`email`: expected an address")
        if len(password) < SHORTEST_PASSWORD:
            raise WebError(400, f"`password`: expected at least {SHORTEST_PASSWORD} characters")
        account = self._accounts.add(email, name, passwords.store(password))
        if account is None:
            raise WebError(409, "there is an account with this address")
        self._service.metrics.add("identity_registrations_total")
        return Response(account.public(), 201)

    def login(self, request: Request) -> dict[str, Any]:
        """Gives a token for `email` and `password`."""
        email = text_of(request.body, "email").strip().lower()
        password = text_of(request.body, "password")
        if (self._cache.get(_failures(email)) or 0) >= _TRIES:
            raise WebError(429, "too many wrong passwords: try again later")
        account = self._accounts.by_email(email)
        if account is None or not passwords.matches(password, account.password):
            self._refuse(email)
        self._cache.forget(_failures(email))
        self._service.metrics.add("identity_logins_total")
        return self._grant(str(account.id), "user")

    def logout(self, request: Request) -> dict[str, Any]:
        """Revokes the token of the request."""
        claims = self._claims(bearer(request))
        expires = datetime.fromtimestamp(claims["exp"], timezone.utc)
        self._accounts.revoke(claims["jti"], expires)
        return {"revoked": claims["jti"]}

    def me(self, request: Request) -> dict[str, Any]:
        """The account of the request's token."""
        claims = self._claims(bearer(request))
        account = self._account(claims)
        if account is None:
            raise WebError(404, "there is no account of this token")
        return account.public()

    def validate(self, request: Request) -> dict[str, Any]:
        """The claims of `token` when it is good, else 401; for the services."""
        return self._claims(text_of(request.body, "token"))

    def service_token(self, request: Request) -> dict[str, Any]:
        """Gives a service its token for its `service` name and `key`."""
        name, key = text_of(request.body, "service"), text_of(request.body, "key")
        known = self._keys.get(name, "")
        if not known or not hmac.compare_digest(known.encode(), key.encode()):
            raise WebError(401, "the service or its key is not known")
        return self._grant(name, "service")

    def _grant(self, subject: str, kind: str) -> dict[str, Any]:
        token = self._tokens.issue(subject, kind)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self._tokens.lifetime,
        }

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            claims = self._tokens.read(token)
        except BadToken as error:
            raise WebError(401, str(error)) from error
        if self._accounts.revoked(claims["jti"]):
            raise WebError(401, "the token was revoked")
        return claims

    def _account(self, claims: dict[str, Any]) -> Account | None:
        return self._accounts.by_id(int(claims["sub"])) if claims["kind"] == "user" else None

    def _refuse(self, email: str) -> None:
        self._cache.count(_failures(email), _WINDOW)
        self._service.metrics.add("identity_failed_logins_total")
        _log.warning("login failed")
        raise WebError(401, "the address or the password is wrong")


def _failures(email: str) -> str:
    return f"identity:failures:{email}"


def build(service: Service, _: Settings) -> list[Route]:
    """The routes, with the secrets of the environment."""
    tokens = Tokens(text(os.environ, "JWT_SECRET"), number(os.environ, "JWT_LIFETIME", "3600"))
    keys = {name: text(os.environ, variable) for name, variable in KEYS.items()}
    return Identity(service, tokens, keys).routes()


if __name__ == "__main__":
    run(NAME, build, HELPS)
