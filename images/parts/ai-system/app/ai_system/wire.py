"""ZeroMQ between the two machines, encrypted and authenticated by CURVE.

All keys come from one secret that both machines are given. A server's public key is never sent in
the clear and is known to those alone who have the secret, so nobody else gets past the handshake.
Source: ZeroMQ RFC 26 (CurveZMQ).
"""

import hashlib
import hmac

import zmq
from zmq.utils import z85

# Both machines open this port: pc2 for requests, the main PC for errors.
PORT = 5555
# Names of keys.
BRIDGE, ERRORS, CLIENT = "bridge", "errors", "client"


class WireError(Exception):
    """The other machine does not answer."""


def secret_key(secret: str, name: str) -> bytes:
    """The secret key `name` as ZeroMQ takes it: any 32 bytes are a key of Curve25519."""
    return z85.encode(hmac.digest(secret.encode(), f"ai-system:{name}".encode(), hashlib.sha256))


def public_key(secret: str, name: str) -> bytes:
    """The public key that belongs to it."""
    return zmq.curve_public(secret_key(secret, name))


def serve(context: zmq.Context, kind: int, secret: str | None, name: str) -> zmq.Socket:
    """A socket for clients, with the key `name`; in the clear without a secret. Not bound yet."""
    socket = _socket(context, kind)
    if secret is not None:
        socket.curve_secretkey = secret_key(secret, name)
        socket.curve_publickey = public_key(secret, name)
        socket.curve_server = True
    return socket


def reach(context: zmq.Context, kind: int, secret: str | None, name: str) -> zmq.Socket:
    """A socket to the server with the key `name`. Not connected yet."""
    socket = _socket(context, kind)
    if secret is not None:
        socket.curve_secretkey = secret_key(secret, CLIENT)
        socket.curve_publickey = public_key(secret, CLIENT)
        socket.curve_serverkey = public_key(secret, name)
    return socket


class Requester:
    """Asks a REP server one request at a time; a request without answer costs its socket.

    For use by one thread at a time.
    """

    def __init__(self, address: str, secret: str | None, name: str):
        self._context = zmq.Context.instance()
        self._address, self._secret, self._name = address, secret, name
        self._socket = None

    def ask(self, text: str, seconds: float) -> str:
        """The answer to `text`; raises `WireError`."""
        if self._socket is None:
            self._socket = reach(self._context, zmq.REQ, self._secret, self._name)
            self._socket.connect(self._address)
        self._socket.send_string(text)
        if not self._socket.poll(seconds * 1000):
            self._drop()
            raise WireError(f"no answer from {self._address} within {seconds:g} s")
        return self._socket.recv_string()

    def _drop(self) -> None:
        # A REQ socket that waits for an answer can do nothing else: the next request gets a new one.
        self._socket.close()
        self._socket = None


def _socket(context: zmq.Context, kind: int) -> zmq.Socket:
    socket = context.socket(kind)
    # What was not sent by then is not waited for.
    socket.linger = 0
    # A machine that is gone without a word is noticed.
    socket.heartbeat_ivl = 5000
    socket.heartbeat_timeout = 20000
    return socket
