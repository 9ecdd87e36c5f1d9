"""Ways in which a post is announced: e-mail, Slack, a webhook; the log when there is no other."""

import json
import logging
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Callable

from bedplate_app import settings

from ..posts import Post
from ..settings import Environment, credential, words
from .api import ask

# Channels that a host has when secrets were brought to it.
NEED_CREDENTIALS = {"email", "slack"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Channel:
    """A way to announce a post; `send` raises when it fails."""

    name: str
    send: Callable[[Post], None]


def channels(environment: Environment) -> list[Channel]:
    """The channels that this host has what it takes for; never none."""
    found = [
        *_email(environment),
        *_web("slack", credential(environment, "SLACK_WEBHOOK_URL"), slack_body),
        *_web("webhook", environment.get("ALERT_WEBHOOK_URL", ""), webhook_body),
    ]
    return found or [Channel("log", _announce)]


def subject(post: Post) -> str:
    """One line on a post."""
    return f"r/{post.subreddit}: {post.title}"


def text(post: Post) -> str:
    """All that a reader needs to decide whether to look."""
    topics = ", ".join(post.topics or [])
    return f"{post.summary}\n\nTopics: {topics}\nRelevance: {post.relevance:g}\n{post.url}\n"


def slack_body(post: Post) -> dict:
    """What Slack is sent; `<`, `>` and `&` mean something to it."""
    escaped = text(post).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": f"*{subject(post)}*\n{escaped}"}


def webhook_body(post: Post) -> dict:
    """What a webhook is sent."""
    keys = ("reddit_id", "subreddit", "title", "url", "summary", "relevance", "topics")
    return {key: getattr(post, key) for key in keys}


def _announce(post: Post) -> None:
    _log.info("alert: %s: %s", subject(post), " ".join((post.summary or "").split()))


def _web(name: str, url: str, body: Callable[[Post], dict]) -> list[Channel]:
    if not url:
        return []
    return [Channel(name, lambda post: _post(url, body(post)))]


def _post(url: str, body: dict) -> None:
    try:
        ask(url, {"Content-Type": "application/json"}, json.dumps(body).encode())
    except json.JSONDecodeError:
        # Slack answers `ok`; only what went wrong is of interest.
        pass


def _email(environment: Environment) -> list[Channel]:
    password = credential(environment, "SMTP_PASSWORD")
    to = words(environment, "ALERT_EMAIL_TO")
    if not password or not to:
        return []
    host = settings.text(environment, "SMTP_HOST")
    port = settings.number(environment, "SMTP_PORT", "587")
    user = settings.text(environment, "SMTP_USER")
    sender = settings.text(environment, "SMTP_FROM")

    def send(post: Post) -> None:
        with smtplib.SMTP(host, port, timeout=20) as server:
            server.starttls(context=ssl.create_default_context())
            server.login(user, password)
            server.send_message(letter(post, sender, to))

    return [Channel("email", send)]


def letter(post: Post, sender: str, to: list[str]) -> EmailMessage:
    """The mail on a post."""
    found = EmailMessage()
    found["Subject"] = " ".join(subject(post).split())
    found["From"] = sender
    found["To"] = ", ".join(to)
    found.set_content(text(post))
    return found
