"""Messages between agents: JSON-RPC 2.0, method `message/send`. Nothing here sends them.

The skill that is meant stands in the message's metadata; its data is one part of kind `data`, and
so is the answer's. Source: Agent2Agent protocol 0.2, sections 6 and 7.1.
"""

import uuid
from typing import Any

METHOD = "message/send"

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603


class ProtocolError(Exception):
    """A message that is wrong, or that the other agent answered with an error."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


def request(skill: str, data: dict[str, Any]) -> dict[str, Any]:
    """What is sent to an agent."""
    message = {
        "kind": "message",
        "role": "user",
        "messageId": str(uuid.uuid4()),
        "parts": [{"kind": "data", "data": data}],
        "metadata": {"skill": skill},
    }
    return {"jsonrpc": "2.0", "id": str(uuid.uuid4()), "method": METHOD, "params": {"message": message}}


def read_request(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The skill and the data of a request; raises `ProtocolError`."""
    if body.get("jsonrpc") != "2.0":
        raise ProtocolError(INVALID_REQUEST, "`jsonrpc`: expected `2.0`")
    if body.get("method") != METHOD:
        raise ProtocolError(METHOD_NOT_FOUND, f"`method`: expected `{METHOD}`")
    message = _object(_object(body, "params"), "message")
    skill = _object(message, "metadata").get("skill")
    if not isinstance(skill, str):
        raise ProtocolError(INVALID_PARAMS, "`metadata.skill`: expected the id of a skill")
    return skill, _data(message)


def answer(id: Any, data: dict[str, Any]) -> dict[str, Any]:
    """The answer of an agent that did what it was asked: a completed task with one artifact."""
    artifact = {"artifactId": "result", "parts": [{"kind": "data", "data": data}]}
    task = {
        "kind": "task",
        "id": str(uuid.uuid4()),
        "contextId": str(id),
        "status": {"state": "completed"},
        "artifacts": [artifact],
    }
    return {"jsonrpc": "2.0", "id": id, "result": task}


def failure(id: Any, error: ProtocolError) -> dict[str, Any]:
    """The answer of an agent that did not."""
    return {"jsonrpc": "2.0", "id": id, "error": {"code": error.code, "message": str(error)}}


def read_answer(body: Any) -> dict[str, Any]:
    """The data of an answer; raises `ProtocolError` for one that says what went wrong."""
    if not isinstance(body, dict):
        raise ProtocolError(PARSE_ERROR, "expected a JSON object for an answer")
    if "error" in body:
        error = _object(body, "error")
        raise ProtocolError(int(error.get("code", INTERNAL_ERROR)), str(error.get("message", "no reason")))
    artifacts = _object(body, "result").get("artifacts")
    if not isinstance(artifacts, list) or not artifacts or not isinstance(artifacts[0], dict):
        raise ProtocolError(PARSE_ERROR, "expected an artifact in the answer")
    return _data(artifacts[0])


def _data(holder: dict[str, Any]) -> dict[str, Any]:
    parts = holder.get("parts")
    for part in parts if isinstance(parts, list) else []:
        if isinstance(part, dict) and part.get("kind") == "data" and isinstance(part.get("data"), dict):
            return part["data"]
    raise ProtocolError(INVALID_PARAMS, "`parts`: expected one of kind `data`")


def _object(holder: dict[str, Any], key: str) -> dict[str, Any]:
    found = holder.get(key)
    if not isinstance(found, dict):
        raise ProtocolError(INVALID_PARAMS, f"`{key}`: expected an object")
    return found
