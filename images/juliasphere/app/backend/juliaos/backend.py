"""The routes of a back end."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable

from bedplate_app.program import Program, state
from bedplate_app.web import Request, Response, Route, WebError, text_of

from .agents import Agents, is_id
from .auth import AuthError, Keys, Tokens
from .cache import Busy, Cache
from .settings import Settings
from .swarm import Found, Task, minimise
from .tasks import TaskError, task_of

_HELPS = {
    "juliaos_cache_lookups_total": "Agents looked for in the cache.",
    "juliaos_executions_total": "Executions of agents.",
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """What a back end works with."""

    agents: Agents
    cache: Cache


class Backend:
    """One back end: who may ask what, and what is answered."""

    def __init__(self, settings: Settings, parts: Parts):
        self._settings = settings
        self._agents, self._cache = parts.agents, parts.cache
        self._keys = Keys(settings.api_keys)
        self._tokens = Tokens(settings.jwt_secret, settings.jwt_expiry)
        # As many agents run at once as there are threads; the others wait.
        self._threads = ThreadPoolExecutor(settings.threads, "agent")
        checks = {"database": parts.agents.primary.ping, "cache": parts.cache.ping}
        self.program = Program(settings.instance, settings.address, checks, _HELPS, self._describe)

    def routes(self) -> list[Route]:
        """What a back end answers besides what each program does."""
        table: list[tuple[str, str, Callable[[Request, str | None], Any]]] = [
            ("POST", "/agents", self._create),
            ("GET", "/agents", self._list),
            ("GET", "/agents/{id}", self._read),
            ("POST", "/agents/{id}/run", self._run),
            ("GET", "/agents/{id}/executions", self._executions),
            ("GET", "/executions", self._recent),
        ]
        routes = [Route(method, path, self._for_users(answer)) for method, path, answer in table]
        return routes + [Route("POST", "/auth/token", self._token)]

    def recover(self) -> None:
        """Ends what this back end was running when it was killed."""
        for id in self._agents.interrupt(self._settings.instance):
            self._cache.forget(id)
            _log.warning("the run of agent %s was interrupted", id)

    def _describe(self) -> dict[str, Any]:
        # Not a part that health needs: what the standby would answer, the primary answers too.
        return {
            "environment": self._settings.environment,
            "instance": self._settings.instance,
            "version": self._settings.version,
            "standby": state(self._agents.standby.ping),
        }

    def _for_users(self, answer: Callable[[Request, str | None], Any]) -> Callable[[Request], Any]:
        return lambda request: answer(request, self._user_of(request))

    def _user_of(self, request: Request) -> str | None:
        """The user whose token was sent, `None` for an API key; raises `WebError` 401."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind == "Bearer":
            try:
                return self._tokens.user_of(token)
            except AuthError as error:
                raise WebError(401, str(error)) from error
        self._check_key(request)
        return None

    def _check_key(self, request: Request) -> None:
        if not self._keys.accept(request.headers.get("X-API-Key", "")):
            raise WebError(401, "expected a valid `X-API-Key`, or `Authorization: Bearer`")

    def _token(self, request: Request) -> dict[str, Any]:
        self._check_key(request)
        token = self._tokens.issue(text_of(request.body, "user_id"))
        return {"token": token, "expires_in": self._tokens.expiry}

    def _create(self, request: Request, user: str | None) -> Response:
        settings = request.body.get("settings", {})
        # Refused now rather than at each run.
        _task(settings)
        user = user or text_of(request.body, "user_id")
        agent = self._agents.create(user, text_of(request.body, "name"), settings)
        self._cache.put(agent)
        return Response(agent, 201)

    def _list(self, request: Request, user: str | None) -> dict[str, Any]:
        wanted = user or request.query.get("user_id")
        return {"agents": self._agents.newest(wanted, request.query.get("status"))}

    def _read(self, request: Request, user: str | None) -> dict[str, Any]:
        agent, cached = self._find(request, user)
        return {**agent, "cached": cached, "cached_for": self._cache.seconds_left(agent["id"])}

    def _find(self, request: Request, user: str | None) -> tuple[dict[str, Any], bool]:
        """The agent of a path, and whether it came from the cache; raises `WebError` 404."""
        id = request.parameters["id"]
        agent = self._cache.agent(id) if is_id(id) else None
        cached = agent is not None
        self.program.metrics.add("juliaos_cache_lookups_total", result="hit" if cached else "miss")
        if not cached and is_id(id) and (agent := self._agents.read(id)):
            self._cache.fill(agent)
        if agent is None or user not in (None, agent["user_id"]):
            raise WebError(404, "there is no such agent")
        return agent, cached

    def _run(self, request: Request, user: str | None) -> dict[str, Any]:
        agent, _ = self._find(request, user)
        task = _task({**agent["settings"], **request.body})
        try:
            with self._cache.locked(agent["id"]):
                return self._execute(agent["id"], task)
        except Busy as error:
            raise WebError(409, "the agent is running") from error

    def _execute(self, id: str, task: Task) -> dict[str, Any]:
        agent, number = self._agents.begin(id, self._settings.instance, task)
        self._cache.put(agent)
        agent, execution = self._agents.finish(id, number, self._minimise(task))
        self._cache.put(agent)
        self._cache.queue(number)
        self.program.metrics.add("juliaos_executions_total", status=execution["status"])
        return execution

    def _minimise(self, task: Task) -> Found | None:
        try:
            return self._threads.submit(minimise, task).result()
        except (ArithmeticError, ValueError) as error:
            _log.warning("a run failed: %s", type(error).__name__)
            return None

    def _executions(self, request: Request, user: str | None) -> dict[str, Any]:
        agent, _ = self._find(request, user)
        return {"executions": self._agents.executions(agent["id"])}

    def _recent(self, _: Request, __: str | None) -> dict[str, Any]:
        return {"recent": self._cache.recent()}


def _task(settings: Any) -> Task:
    try:
        return task_of(settings)
    except TaskError as error:
        raise WebError(400, str(error)) from error
