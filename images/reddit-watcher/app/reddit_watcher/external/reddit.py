"""New posts of subreddits, from Reddit's API or from another source of the same form."""

import base64
import time
import urllib.parse
from typing import Any

from bedplate_app import settings

from ..posts import NewPost
from ..settings import Environment, credential, words
from .api import ask

_LONGEST_TITLE, _LONGEST_BODY = 300, 40_000


class Reddit:
    """Where posts come from; a source URL needs no credentials."""

    def __init__(self, environment: Environment):
        self._id = credential(environment, "REDDIT_CLIENT_ID")
        self._secret = credential(environment, "REDDIT_CLIENT_SECRET")
        self._source = environment.get("REDDIT_SOURCE_URL", "")
        self._auth = environment.get("REDDIT_AUTH_URL", "https://www.reddit.com/api/v1/access_token")
        self._api = environment.get("REDDIT_API_URL", "https://oauth.reddit.com")
        self._agent = environment.get("REDDIT_USER_AGENT", "reddit-technical-watcher/1.0")
        self._subreddits = words(environment, "REDDIT_SUBREDDITS")
        self._limit = settings.number(environment, "REDDIT_POSTS_PER_SUBREDDIT", "25")
        self._token, self._expires = "", 0.0

    @property
    def source(self) -> str:
        """`reddit`, `url`, or `none`."""
        if self._id and self._secret:
            return "reddit"
        return "url" if self._source else "none"

    def fetch(self) -> list[NewPost]:
        """New posts of every subreddit, or of the source URL."""
        if self.source == "url":
            return listing(ask(self._source, {"User-Agent": self._agent}))
        return [post for name in self._subreddits for post in self._new(name)]

    def _new(self, subreddit: str) -> list[NewPost]:
        path = f"/r/{urllib.parse.quote(subreddit)}/new?limit={self._limit}"
        headers = {"User-Agent": self._agent, "Authorization": f"Bearer {self._access_token()}"}
        return listing(ask(self._api + path, headers))

    def _access_token(self) -> str:
        if time.monotonic() >= self._expires:
            key = base64.b64encode(f"{self._id}:{self._secret}".encode()).decode()
            headers = {"User-Agent": self._agent, "Authorization": f"Basic {key}"}
            answer = ask(self._auth, headers, b"grant_type=client_credentials")
            # A minute less than is said, so that it does not end while it is used.
            self._expires = time.monotonic() + float(answer["expires_in"]) - 60
            self._token = answer["access_token"]
        return self._token


def listing(answer: Any) -> list[NewPost]:
    """The posts of a listing of Reddit's; those without name or title are left out."""
    children = answer["data"]["children"]
    return [post for child in children if (post := _post(child["data"])) is not None]


def _post(data: dict[str, Any]) -> NewPost | None:
    if not data.get("name") or not data.get("title"):
        return None
    return NewPost(
        reddit_id=str(data["name"])[:64],
        subreddit=str(data.get("subreddit", ""))[:64],
        title=str(data["title"])[:_LONGEST_TITLE],
        body=str(data.get("selftext", ""))[:_LONGEST_BODY],
        url=str(data.get("url", "")),
        author=str(data.get("author", ""))[:64],
        score=int(data.get("score", 0)),
    )
