"""Every route and socket of every web server that Floe starts: a foreign host, origin or method
gets nothing there.

Here: the servers, their routing tables, what the guard refuses at each entry. Not here: what is
served (tests of each room), the guard's rules one by one (tests/ingest/test_guard.py).
"""

import ast
import asyncio
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest
import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.routing import Mount, WebSocketRoute

from dashboards.app import create_app
from ingest import health_port
from ingest.guard import Doors, Guard
from ingest.health import Health
from ingest.settings import Settings
from ingest.web_server import configured
from orchestration import dagster_server

ROOT = Path(__file__).parents[2]
OWN = "http://127.0.0.1:3000"
METHODS = (
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "PROPFIND",
    "CONNECT",
)
# The modules that open a port for HTTP, and what answers there. One that is not in this table fails
# the first test.
SERVERS = {
    "dashboards/app.py": "dashboards",
    "orchestration/dagster_server.py": "dagster",
    "ingest/health_port.py": "health",
}
_SERVING = {
    "uvicorn",
    "hypercorn",
    "wsgiref",
    "http.server",
    "socketserver",
    "werkzeug",
    "aiohttp.web",
    "flask",
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory) -> Iterator[dict]:
    """name -> (the application as it is served, the routes behind its guard)."""
    dashboards = create_app(Settings(home=tmp_path_factory.mktemp("none") / "home"))
    health = health_port.create_app(Health(Settings(home=tmp_path_factory.mktemp("none") / "home")))
    with (
        dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance,
        WorkspaceProcessContext(instance, EmptyWorkspaceTarget(), version="test") as context,
    ):
        dagster = create_app_from_workspace_process_context(context)
        yield {
            "dashboards": (dashboards, dashboards.routes),
            "dagster": (dagster_server.guarded(dagster), dagster.routes),
            "health": (Guard(health, Doors()), health.routes),
        }


def entries(routes, before="") -> Iterator[tuple[str, bool]]:
    """(an address, whether it is a socket's) of each route, those of mounted applications too."""
    for route in routes:
        path = before + route.path.replace("{path:path}", "x").replace(":path", "").replace(
            ":str", ""
        )
        path = path.replace("{", "").replace("}", "")
        if isinstance(route, Mount):
            yield path + "/x", False
            yield from entries(route.routes or (), path)
        else:
            yield path, isinstance(route, WebSocketRoute)


def ask(app, kind: str, path: str, *, method="GET", query=b"", body=b"", **headers) -> int | str:
    """The status that a request gets, or what became of a socket: accepted or refused."""
    given = {"host": "127.0.0.1:3000"} | {k.replace("_", "-"): v for k, v in headers.items()}
    scope = {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 3000),
        "headers": [(k.encode(), v.encode()) for k, v in given.items() if v is not None],
    }
    scope |= (
        {"scheme": "http", "method": method}
        if kind == "http"
        else {"scheme": "ws", "subprotocols": []}
    )
    first = (
        {"type": "http.request", "body": body} if kind == "http" else {"type": "websocket.connect"}
    )
    pending, sent = [first], []

    async def receive():
        ended = (
            {"type": "http.disconnect"}
            if kind == "http"
            else {"type": "websocket.disconnect", "code": 1000}
        )
        return pending.pop(0) if pending else ended

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"] if kind == "http" else sent[0]["type"].removeprefix("websocket.")


def test_every_server_is_known():
    """A module that serves is in the table above, and so is tried by what follows."""
    serving = set()
    for room in ("orchestration", "dashboards", "ingest", "transforms"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += (
                    [node.module or ""]
                    if isinstance(node, ast.ImportFrom) and not node.level
                    else []
                )
                called = (
                    node.func.attr
                    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                    else ""
                )
                if any(n in _SERVING or n.split(".")[0] in _SERVING for n in names) or called in (
                    "start_server",
                    "start_http_server",
                    "create_server",
                    "start_unix_server",
                ):
                    serving.add(str(path.relative_to(ROOT)))
    assert serving == {*SERVERS, "ingest/web_server.py"}


FOREIGN = [
    {"host": "evil.example"},
    {"host": "localhost.evil.com"},
    {"host": "127.0.0.1.evil.com:3000"},
    {"host": None},
    {"host": "127.0.0.1:3000@evil.example"},
    {"host": "[::1].evil.com"},
    {"host": "localhost:3000, evil.example"},
    {"host": "0.0.0.0:3000"},
    {"host": "127.0.0.1:"},
    {"host": "127.0.0.2"},
    {"host": ""},
    {"host": "l\u043ecalhost"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost:8888"},
    {"origin": "http://127.0.0.1:3001"},
    {"origin": "https://127.0.0.1:3000"},
    {"origin": "http://127.0.0.1:3000.evil.com"},
    {"origin": "http://127.0.0.1:3000/"},
    {"origin": "http://evil@127.0.0.1:3000"},
    {"origin": ""},
    {"origin": "file://"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
]


@pytest.mark.parametrize("which", SERVERS.values())
def test_foreign_hosts_and_origins(servers, which):
    """At no address, by no method, does a request of a foreign name, page or frame reach what is
    behind the guard.
    """
    app, routes = servers[which]
    asked = 0
    for path, is_socket in {*entries(routes)}:
        for headers in FOREIGN:
            if is_socket:
                assert ask(app, "websocket", path, **({"origin": OWN} | headers)) == "close", (
                    path,
                    headers,
                )
            for method in METHODS:
                status = ask(
                    app,
                    "http",
                    path,
                    method=method,
                    body=b"{}",
                    **{"content-type": "application/json"} | headers,
                )
                assert status in (400, 403, 405), (method, path, headers, status)
            asked += 1
    assert asked >= len(FOREIGN) * len(health_port.PATHS)


@pytest.mark.parametrize("which", SERVERS.values())
def test_foreign_methods(servers, which):
    """What is no reading is taken at one address of each server, as JSON by its exact name, and
    nowhere else.
    """
    app, routes = servers[which]
    taken = {"dashboards": "/_dash-update-component", "dagster": "/graphql", "health": None}[which]
    for path, _ in {*entries(routes)}:
        for method in METHODS[2:]:
            own = ask(
                app,
                "http",
                path,
                method=method,
                body=b"{}",
                origin=OWN,
                **{"content-type": "application/json"},
            )
            assert own == 405 or (method == "POST" and path == taken and own == 400), (
                method,
                path,
                own,
            )
        for kind in (
            "text/plain",
            "text/plain; application/json",
            "application/x-www-form-urlencoded",
            "",
            None,
            "multipart/form-data",
            "application/graphql",
            "application/json, text/plain",
            "application/jsonp",
        ):
            status = ask(
                app,
                "http",
                path,
                method="POST",
                query=b"query=mutation{x}",
                body=b"{}",
                **{"content-type": kind},
            )
            assert status == (415 if path == taken else 405), (path, kind, status)


@pytest.mark.parametrize("which", SERVERS.values())
def test_sockets(servers, which):
    """Only Dagster's GraphQL is a socket, for a page of its own; one that does not say where it is
    from is refused.
    """
    app, routes = servers[which]
    opened = {
        path
        for path, _ in {*entries(routes)}
        if ask(app, "websocket", path, origin=OWN) == "accept"
    }
    assert opened == ({"/graphql"} if which == "dagster" else set())
    for path, _ in {*entries(routes)}:
        assert ask(app, "websocket", path) == "close"


MUTATION = "mutation { wipeAssets(assetPartitionRanges: []) { __typename } }"


@pytest.mark.parametrize("path", ["/graphql", "/%67raphql", "/graphql/", "//graphql", "/graphql;x"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_mutation_by_the_address(servers, path, method):
    """GraphQL is never read from an address, however that is written: a picture's address could
    launch a run.
    """
    from urllib.parse import quote, unquote

    app, _ = servers["dagster"]
    assert ask(
        app, "http", unquote(path), method=method, query=b"query=" + quote(MUTATION).encode()
    ) != 200 or (
        unquote(path) != "/graphql"  # another address gives the page, which asks nothing by itself
    )


def test_what_the_operator_needs(servers):
    """Pages, their files, GraphQL by POST from Dagster's own page or from a program, and a link
    that is followed.
    """
    app, _ = servers["dagster"]
    query = json.dumps({"query": "{ version }"}).encode()
    link = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    for path in ("/", "/assets", "/runs/abc", "/server_info", "/favicon.png"):
        assert ask(app, "http", path, **{"sec-fetch-site": "same-origin"}) == 200
        assert ask(app, "http", path, **link) == 200
    for headers in (
        {"origin": OWN, "referer": OWN + "/runs"},
        {},
        {"host": "[::1]:3000", "origin": "http://[::1]:3000"},
        {"host": "localhost:9000", "origin": "http://localhost:9000"},
    ):
        kind = {"content-type": "application/json; charset=utf-8"}
        assert (
            ask(app, "http", "/graphql", method="POST", body=query, query=b"op=x", **kind | headers)
            == 200
        )
    assert ask(app, "http", "/graphql", accept="text/html") == 200


@pytest.mark.parametrize("path", ["/notebook", "/dagit/notebook", "/dagit_info/../notebook"])
def test_no_file_of_the_machine(servers, path):
    """Dagster's reader of notebooks, which takes any path, is not there."""
    assert ask(servers["dagster"][0], "http", path, query=b"path=/etc/x.ipynb&repoLocName=a") in (
        200,
        404,
    )
    assert (
        ask(servers["dagster"][0], "http", "/notebook", query=b"path=/etc/x.ipynb&repoLocName=a")
        == 404
    )


@pytest.mark.parametrize(
    ("role", "asked", "is_read_only"),
    [("clinic", "0", False), ("clinic", "1", True), ("outside", "0", True)],
)
def test_read_only(role, asked, is_read_only, tmp_path):
    """Dagster's pages change nothing where that is asked for, and never for a reader from outside
    the clinic.
    """
    settings = Settings(home=tmp_path, viewer_role=role, dagster_read_only=asked)
    assert dagster_server.is_read_only(settings) is is_read_only


def test_sockets_of_processes(tmp_path):
    """Dagster's processes talk in a folder that nobody else can enter, in a home of any length."""
    for folder in (tmp_path / "run", tmp_path / ("x" * 90)):
        before = os.environ.get("TMPDIR")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tempfile.tempdir", None)
            patch.setenv("TMPDIR", before or "")
            with dagster_server._sockets(folder):
                made = Path(os.environ["TMPDIR"])
                assert made.stat().st_mode & 0o777 == 0o700
                assert len(str(made)) < 85


@pytest.mark.parametrize(
    "head", [b"X-Long: " + b"x" * 200_000, b"\r\n".join(b"X-%d: y" % k for k in range(20_000))]
)
def test_a_request_s_head_is_bounded(head):
    """A header of 200 kB and 20,000 headers end the connection: what is no request is not kept in
    memory.
    """

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(configured(application, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert b"served" in _answer(listener, b"")
            assert b"served" not in _answer(listener, head + b"\r\n")
        finally:
            server.should_exit = True
            thread.join(10)
    assert not thread.is_alive()


def _answer(listener: socket.socket, headers: bytes) -> bytes:
    """What comes back of a request with these headers until the connection ends."""
    with socket.create_connection(listener.getsockname(), timeout=10) as client:
        answer = b""
        with suppress(ConnectionError):
            client.sendall(
                b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + headers + b"\r\n"
            )
            while part := client.recv(65536):
                answer += part
        return answer
