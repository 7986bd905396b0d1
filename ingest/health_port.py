"""The door for whoever watches: /healthz, /readyz, /metrics and /version on one port of 127.0.0.1.

Here: the paths, and serving them beside other work. Not here: the answers (health.py), who may ask
(guard.py).
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from transforms.errors import PortInUse

from .guard import Doors, Guard
from .health import Health
from .web_server import configured

PATHS = ("/healthz", "/readyz", "/metrics", "/version")
_FRESH = {"Cache-Control": "no-store"}
_STOP_S = 10


def answer(health: Health, path: str) -> Response:
    """What one of the paths tells; it counts and names states, and nobody's data."""
    if path == "/metrics":
        return Response(health.metrics(), media_type=CONTENT_TYPE_PLAIN_0_0_4, headers=_FRESH)
    if path == "/readyz":
        is_ready, sentence = health.ready()
        return JSONResponse(sentence, 200 if is_ready else 503, headers=_FRESH)
    return JSONResponse(
        health.version() if path == "/version" else {"status": "ok"}, headers=_FRESH
    )


def create_app(health: Health) -> Starlette:
    """The ASGI application, not yet behind its guard."""

    async def asked(request: Request) -> Response:
        path = request.url.path
        # alive is told at once, also while the lake keeps others waiting
        return (
            answer(health, path)
            if path == "/healthz"
            else await asyncio.to_thread(answer, health, path)
        )

    return Starlette(routes=[Route(path, asked) for path in PATHS])


@contextmanager
def served(settings, *, port: int, of: str) -> Iterator[None]:
    """Answers on `port` while the block runs; of port 0 nothing is served. PortInUse names the
    setting `of`.
    """
    if not port:
        yield
        return
    health = Health(settings)
    listener = _listening(port, of)
    options = {
        "log_level": "error",
        "access_log": False,
        "lifespan": "off",
        "ws": "none",
        "timeout_graceful_shutdown": 1,
    }
    server = uvicorn.Server(configured(Guard(create_app(health), Doors()), **options))
    thread = threading.Thread(
        target=server.run, args=([listener],), name="floe-health", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_STOP_S)
        listener.close()
        health.close()


def _listening(port: int, of: str) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
    except OSError:
        listener.close()
        raise PortInUse(
            f"port {port} of 127.0.0.1 is in use, and /healthz, /readyz and /metrics need it free: stop what listens "
            f"there or set {of} to another port (0: none)"
        ) from None
    return listener
