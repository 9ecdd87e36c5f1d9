"""Numbers of rows, as they stand in a path or a body."""

from typing import Any

from bedplate_app.web import WebError


def number_of(value: Any) -> int:
    """The number of a row: a positive bigint; raises `WebError` 400."""
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal()):
        raise WebError(400, "expected the number of a row")
    if not 0 < int(text) < 1 << 63:
        raise WebError(400, "expected the number of a row")
    return int(text)
