"""What a picture shows. A picture is rows of grey values, 0 is black and 255 white."""

from typing import Any

from . import SkillError

_LARGEST = 256
_EDGE = 64
_BRIGHT = 128


def frame(payload: dict[str, Any]) -> dict[str, Any]:
    """The picture, checked: a rectangle of grey values."""
    return {"pixels": pixels_of(payload)}


def contrast(payload: dict[str, Any]) -> dict[str, Any]:
    """The picture stretched from black to white."""
    rows = pixels_of(payload)
    darkest, lightest = min(map(min, rows)), max(map(max, rows))
    span = lightest - darkest
    if span == 0:
        return {"pixels": rows}
    return {"pixels": [[(grey - darkest) * 255 // span for grey in row] for row in rows]}


def edges(payload: dict[str, Any]) -> dict[str, Any]:
    """How many neighbours differ much."""
    rows = pixels_of(payload)
    across = sum(abs(a - b) > _EDGE for row in rows for a, b in zip(row, row[1:]))
    down = sum(abs(a - b) > _EDGE for one, next in zip(rows, rows[1:]) for a, b in zip(one, next))
    return {"edges": across + down}


def objects(payload: dict[str, Any]) -> dict[str, Any]:
    """How many bright patches there are."""
    rows = pixels_of(payload)
    left = {(y, x) for y, row in enumerate(rows) for x, grey in enumerate(row) if grey >= _BRIGHT}
    count = 0
    while left:
        _remove_patch(left)
        count += 1
    return {"objects": count}


def brightness(payload: dict[str, Any]) -> dict[str, Any]:
    """The mean grey value."""
    rows = pixels_of(payload)
    return {"brightness": round(sum(map(sum, rows)) / (len(rows) * len(rows[0])), 1)}


def motion(payload: dict[str, Any]) -> dict[str, Any]:
    """How many pixels changed much since the picture `before`."""
    now, before = pixels_of(payload), pixels_of(payload, "before")
    pairs = ((a, b) for one, other in zip(now, before) for a, b in zip(one, other))
    return {"changed": sum(abs(a - b) > _EDGE for a, b in pairs)}


def scene(payload: dict[str, Any]) -> dict[str, Any]:
    """What was found, in words."""
    found = [payload.get(key) for key in ("objects", "brightness", "edges")]
    if not all(isinstance(one, (int, float)) for one in found):
        raise SkillError("expected `objects`, `brightness` and `edges`")
    count, light, _ = found
    light = "dark" if light < 85 else "dim" if light < 170 else "bright"
    return {"description": f"{count} object{'' if count == 1 else 's'} in a {light} scene"}


def pixels_of(payload: dict[str, Any], key: str = "pixels") -> list[list[int]]:
    """The picture of a task; raises `SkillError`."""
    rows = payload.get(key)
    good = isinstance(rows, list) and 0 < len(rows) <= _LARGEST and all(isinstance(row, list) for row in rows)
    good = good and 0 < len(rows[0]) <= _LARGEST and all(len(row) == len(rows[0]) for row in rows)
    if not good or not all(type(grey) is int and 0 <= grey <= 255 for row in rows for grey in row):
        raise SkillError(f"`{key}`: expected rows of equal length, of grey values from 0 to 255")
    return rows


def _remove_patch(left: set[tuple[int, int]]) -> None:
    waiting = [left.pop()]
    while waiting:
        y, x = waiting.pop()
        for beside in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if beside in left:
                left.remove(beside)
                waiting.append(beside)


SKILLS = {
    "frame": frame,
    "contrast": contrast,
    "edges": edges,
    "objects": objects,
    "brightness": brightness,
    "motion": motion,
    "scene": scene,
}
