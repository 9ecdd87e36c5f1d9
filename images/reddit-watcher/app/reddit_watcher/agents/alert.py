"""The alert agent: announces posts, and keeps what Alertmanager tells it."""

import json
import logging
from typing import Any

from bedplate_app import settings as base
from bedplate_app.web import Request, Route, WebError

from ..a2a.card import Skill
from ..a2a.message import INTERNAL_ERROR, ProtocolError
from ..agent import Agent, Stores, number_of
from ..external import channels
from ..external.api import HELPS, ExternalApi, ExternalError
from ..posts import Post
from ..queue import Queue
from ..settings import Environment, Settings
from .common import run
from .stored import stored

_HELPS = {
    **HELPS,
    "reddit_alerts_total": "Posts that were announced, by channel and what came of it.",
    "alertmanager_alerts_received_total": "Alerts that Alertmanager told of.",
}
_ALERTS = "reddit:alertmanager"
_log = logging.getLogger(__name__)


class Alert:
    """Skill and routes of the agent."""

    def __init__(self, agent: Agent, environment: Environment):
        self._agent = agent
        self._posts = agent.stores.posts
        self._redis = agent.stores.redis
        self._kept = base.number(environment, "ALERTS_KEPT", "200")
        self._channels = channels.channels(environment)
        queue = Queue(self._redis)
        self._apis = {
            channel.name: ExternalApi(channel.name, environment, agent.metrics, queue, True)
            for channel in self._channels
        }
        for name in channels.NEED_CREDENTIALS - self._apis.keys():
            agent.metrics.set("external_api_configured", 0, api=name)
        agent.facts["channels"] = [channel.name for channel in self._channels]

    def send(self, data: dict[str, Any]) -> dict[str, Any]:
        """Announces a post through every channel that it did not go through yet."""
        post = stored(self._posts, number_of(data))
        done = self._posts.delivered_by(post.id)
        for channel in self._channels:
            if channel.name not in done and self._deliver(channel, post):
                done.add(channel.name)
        if not done:
            raise ProtocolError(INTERNAL_ERROR, "no channel took the post")
        return {"channels": sorted(done)}

    def receive(self, request: Request) -> dict[str, Any]:
        """Keeps the alerts of one notification of Alertmanager's (its webhook, version 4)."""
        alerts = request.body.get("alerts")
        if not isinstance(alerts, list) or not all(isinstance(alert, dict) for alert in alerts):
            raise WebError(400, "`alerts`: expected a list of alerts")
        for alert in alerts:
            self._keep(alert)
        return {"received": len(alerts)}

    def list(self, _: Request) -> dict[str, Any]:
        """The newest alerts, newest first."""
        return {"alerts": [json.loads(alert) for alert in self._redis.lrange(_ALERTS, 0, self._kept - 1)]}

    def _deliver(self, channel: channels.Channel, post: Post) -> bool:
        result = "failed"
        try:
            self._apis[channel.name].call(lambda: channel.send(post))
            result = "ok"
        except ExternalError as error:
            _log.warning("cannot announce post %d: %s", post.id, error)
        self._posts.add_alert(post.id, channel.name, result == "ok")
        self._agent.metrics.add("reddit_alerts_total", channel=channel.name, result=result)
        return result == "ok"

    def _keep(self, alert: dict[str, Any]) -> None:
        labels = alert.get("labels")
        labels = labels if isinstance(labels, dict) else {}
        name, severity = str(labels.get("alertname", "?")), str(labels.get("severity", "none"))
        status = str(alert.get("status", "?"))
        _log.warning("alertmanager: %s %s (%s)", name, status, severity)
        self._agent.metrics.add("alertmanager_alerts_received_total", severity=severity, status=status)
        self._redis.lpush(_ALERTS, json.dumps(alert))
        self._redis.ltrim(_ALERTS, 0, self._kept - 1)


def build(settings: Settings, stores: Stores, environment: Environment) -> tuple[Agent, list[Route]]:
    """The agent, with its skill and its routes."""
    agent = Agent(settings, stores, "Announces posts by e-mail, Slack or webhook.", helps=_HELPS)
    alert = Alert(agent, environment)
    agent.skills.append(Skill("send_alert", "Announces a stored post.", alert.send))
    return agent, [Route("POST", "/alerts", alert.receive), Route("GET", "/alerts", alert.list)]


if __name__ == "__main__":
    run("alert", build)
