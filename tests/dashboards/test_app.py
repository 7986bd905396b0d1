"""The application as a browser meets it, without one: health, headers, unknown paths, callbacks over HTTP."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import uvicorn

from dashboards import ids
from dashboards.app import create_app
from dashboards.pages import PAGES
from dashboards.pages.base import off_loop
from ingest.settings import Settings

ROOT = Path(__file__).parents[2]


def start(settings):
    """The application on a free port: (address, stop)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(settings), host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)

    def stop() -> None:
        server.should_exit = True
        thread.join()

    return f"http://127.0.0.1:{port}", stop


@pytest.fixture(scope="module")
def address(clinic_settings):
    found, stop = start(clinic_settings)
    yield found
    stop()


def get(url: str, **headers) -> tuple[int, str, dict]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, answer.read().decode("utf-8", "replace"), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


@pytest.mark.parametrize("path", PAGES)
def test_pages_answer(address, path):
    """Each page has its own address, says its language, and is not kept by the browser."""
    status, text, headers = get(address + path)
    assert status == 200
    assert '<html lang="en">' in text
    assert "/assets/floe.js" in text
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/docs", "/redoc", "/openapi.json", "/mcp", "/_mcp", "/nowhere", "/safety/x", "/_dash"]
)
def test_everything_else_is_404(address, path):
    """No API page, no MCP, and no 200 for what is not there: a probe of a wrong path fails."""
    assert get(address + path)[0] == 404


def test_health(address):
    """/healthz lives; /readyz reads the lake."""
    assert get(f"{address}/healthz")[:2] == (200, '{"status":"ok"}')
    status, text, _ = get(f"{address}/readyz")
    assert (status, json.loads(text)["status"]) == (200, "ready")


def test_headers_let_nothing_out(address):
    """The policy allows this server alone: connections, forms, scripts; no frames; no inline script but Dash's own."""
    headers = get(address + "/")[2]
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["connect-src"] == policy["form-action"] == policy["default-src"] == "'self'"
    assert "unsafe" not in policy["script-src"]
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"


def test_another_host_name_is_refused(address):
    """A name that somebody points at 127.0.0.1 (DNS rebinding) gets nothing."""
    assert get(address + "/", Host="evil.example")[0] == 400


def test_bundles_are_compressed(address):
    """gzip where the browser takes it."""
    assert get(f"{address}/_dash-layout", **{"Accept-Encoding": "gzip"})[2].get("content-encoding") == "gzip"


def test_no_address_leads_out(address):
    """Scripts and styles of the page are this server's own: nothing from a CDN."""
    text = get(address + "/")[1]
    assert "https://" not in text.replace("https://github.com", "")
    assert "http://" not in text


def test_callback_over_http(address):
    """The page that a URL names comes through Dash's own door."""
    body = {
        "output": f"{ids.CONTENT}.children",
        "outputs": {"id": ids.CONTENT, "property": "children"},
        "inputs": [{"id": ids.URL, "property": "pathname", "value": "/safety"}],
        "changedPropIds": [f"{ids.URL}.pathname"],
    }
    request = urllib.request.Request(
        f"{address}/_dash-update-component", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        content = json.loads(answer.read())["response"][ids.CONTENT]["children"]
    assert content[0]["props"]["children"] == "Safety"


def test_without_a_lake_it_starts_and_says_so(tmp_path):
    """It answers at once; it is alive and not ready, with the reason."""
    found, stop = start(Settings(home=tmp_path / "none"))
    try:
        assert get(found + "/")[0] == 200
        assert get(f"{found}/healthz")[0] == 200
        status, text, _ = get(f"{found}/readyz")
        assert status == 503
        assert "there is no lake yet" in json.loads(text)["detail"]
    finally:
        stop()


def test_a_slow_lake_does_not_hold_up_others():
    """Views run beside the event loop: it goes on while one of them waits."""

    async def both() -> float:
        started = time.monotonic()
        await asyncio.gather(off_loop(time.sleep, 0.3), off_loop(time.sleep, 0.3))
        return time.monotonic() - started

    assert asyncio.run(both()) < 0.55


def test_what_goes_wrong_is_logged(caplog):
    """An error of a view reaches the log, not only the browser's 500."""

    def fails() -> None:
        raise RuntimeError("for this test")

    with pytest.raises(RuntimeError, match="for this test"):
        asyncio.run(off_loop(fails))
    assert "a page could not be drawn" in caplog.text


def test_nothing_is_imported_while_serving(lake_home):
    """Plotly's optional imports are done before the first request: in threads they would be found half done."""
    program = (
        "import sys; from pathlib import Path; from ingest.settings import Settings; from dashboards.app import create_app; "
        "import importlib.util; "
        f"settings = Settings(home=Path({str(lake_home)!r})); create_app(settings); "
        "assert 'pandas' in sys.modules or importlib.util.find_spec('pandas') is None; print('ok')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "ok", done.stderr
