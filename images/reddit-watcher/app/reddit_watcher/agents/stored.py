"""The post that a message is about."""

from ..a2a.message import INVALID_PARAMS, ProtocolError
from ..posts import Post, Posts


def stored(posts: Posts, id: int) -> Post:
    """The post of that number; raises `ProtocolError` when there is none."""
    post = posts.read(id)
    if post is None:
        raise ProtocolError(INVALID_PARAMS, f"there is no post {id}")
    return post
