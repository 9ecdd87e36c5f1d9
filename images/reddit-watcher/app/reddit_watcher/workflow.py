"""The way of a post through the agents: filter, summarise, alert. What an agent did is not done again."""

import logging
from dataclasses import dataclass

from .a2a.message import ProtocolError
from .a2a.peers import PeerError, Peers
from .posts import ALERTED, ENDS, FAILED, FILTERED, REJECTED, RETRIEVED, SUMMARISED, Posts
from .queue import Queue

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workflow:
    """What takes posts further; `attempts` is how often an agent may refuse a post."""

    posts: Posts
    queue: Queue
    peers: Peers
    attempts: int
    seconds: int

    def advance(self, id: int) -> str:
        """Takes a post as far as it goes; returns its state, one of `ENDS` when it is through."""
        if not self.queue.take(id, self.seconds):
            return "busy"
        try:
            state = self._steps(id)
        finally:
            self.queue.give(id)
        if state in ENDS:
            self.queue.pop(id)
        return state

    def _steps(self, id: int) -> str:
        post = self.posts.read(id)
        if post is None:
            self.queue.pop(id)
            return FAILED
        state = post.state
        while state not in ENDS:
            try:
                state = self._step(id, state)
            except PeerError as error:
                # The post stays in the queue until the agent is back.
                _log.warning("post %d waits: %s", id, error)
                return state
            except ProtocolError as error:
                return self._refused(id, state, error)
            self.posts.set_state(id, state)
        return state

    def _step(self, id: int, state: str) -> str:
        """The state after the next agent did its part."""
        if state == RETRIEVED:
            relevant = self.peers.send("filter", "filter_post", {"id": id})["relevant"]
            return FILTERED if relevant else REJECTED
        if state == FILTERED:
            self.peers.send("summarise", "summarise_post", {"id": id})
            return SUMMARISED
        self.peers.send("alert", "send_alert", {"id": id})
        return ALERTED

    def _refused(self, id: int, state: str, error: ProtocolError) -> str:
        attempts = self.posts.count_attempt(id)
        _log.warning("post %d: attempt %d: %s", id, attempts, error)
        if attempts < self.attempts:
            return state
        self.posts.set_state(id, FAILED)
        return FAILED
