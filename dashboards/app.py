"""The web application: Dash on FastAPI, on this machine only.

Here: building it, what a browser may do with its answers, health, serving. Not here: pages,
figures, reading, who may ask (ingest/guard.py).
"""

import asyncio
from contextlib import suppress
from importlib import import_module

import dash
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware

from ingest.guard import Doors, Guard
from ingest.health import Health
from ingest.health_port import answer
from ingest.web_server import configured

from . import shell
from .pages import PAGES
from .readable import is_readable
from .reader import Reader
from .requests import what_is_wrong

_CALLBACKS = "/_dash-update-component"
_PUBLIC = (
    "/_dash-",
    "/_reload-hash",
    "/assets/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/version",
    "/_favicon.ico",
)
_INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>{%metas%}<title>{%title%}</title>{%favicon%}{%css%}</head>
  <body>{%app_entry%}<footer>{%config%}{%scripts%}{%renderer%}</footer></body>
</html>"""


def create_app(settings) -> FastAPI:
    """The ASGI application of these settings; it starts without a lake and shows data as they
    appear.
    """
    _import_what_plotly_imports()
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    reader = Reader(settings)
    server.state.reader = reader
    _add_probes(server, reader)
    app = dash.Dash(
        __name__,
        server=server,
        title="Floe",
        update_title=None,
        index_string=_INDEX,
        serve_locally=True,
        suppress_callback_exceptions=True,
        enable_mcp=False,
        add_log_handler=False,
        assets_folder="assets",
    )
    app.layout = lambda: shell.layout(reader)
    shell.register(app, reader)
    for page in PAGES.values():
        page.register(app, reader)
    app._setup_server()  # Dash does it at the first request for /; a first visitor of another page would find no assets
    server.state.dash = app
    server.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=5)
    server.add_middleware(_Pages, policy=_content_policy(app))
    server.add_middleware(Guard, doors=_doors(app))
    return server


def _doors(app: dash.Dash) -> Doors:
    """Callbacks alone take something; Dash's socket is not used."""
    return Doors(
        posts=frozenset({_CALLBACKS}),
        judge=lambda _path, body: what_is_wrong(app.callback_map, body),
    )


def serve(settings) -> None:
    """Serves on 127.0.0.1 until told to stop."""
    app = create_app(settings)
    server = uvicorn.Server(configured(app, port=settings.dashboards_port))
    server.run()


def _import_what_plotly_imports() -> None:
    """Plotly imports pandas with the first figure, where it is installed; another thread would find
    it half imported.
    """
    with suppress(ImportError):
        import_module("pandas")


def _content_policy(app: dash.Dash) -> str:
    """Nothing but this server: no upload, no foreign script, no frame. Plotly and Mantine set
    styles from scripts.
    """
    scripts = " ".join(f"'{h.strip(chr(39))}'" for h in app.csp_hashes())
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' {scripts}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'self'",
            "object-src 'none'",
        )
    )


def _add_probes(server: FastAPI, reader: Reader) -> None:
    """Ready is what serves pages: the lake. What ingest and the rest do is in the figures, and on
    floe up's own port.
    """
    health = Health(reader.settings)

    @server.api_route("/metrics", methods=["GET", "HEAD"])
    @server.api_route("/version", methods=["GET", "HEAD"])
    async def figures(request: Request):
        if (
            not reader.gate.is_whole and request.url.path == "/metrics"
        ):  # counts as they happen, of one record too
            return JSONResponse(
                {"detail": "figures of the stream are for the clinic's own staff"}, 404
            )
        return await asyncio.to_thread(answer, health, request.url.path)

    @server.get("/healthz")
    async def healthz():
        return {"status": "ok"}

    @server.get("/readyz")
    async def readyz():
        is_ready, sentence = await asyncio.to_thread(is_readable, reader)
        return JSONResponse(
            {"status": "ready" if is_ready else "waiting", "detail": sentence},
            200 if is_ready else 503,
        )


class _Pages:
    """404 for what is no page (Dash would answer 200 to anything), and what the browser may do with
    an answer.
    """

    def __init__(self, app, policy: str) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        is_known = path in PAGES or path.startswith(_PUBLIC)
        answer = (
            self._app if is_known else JSONResponse({"detail": f"there is nothing at {path}"}, 404)
        )

        async def send_guarded(message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self._policy
                if path == _CALLBACKS or path in PAGES:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await answer(scope, receive, send_guarded)
