"""A real browser on the real application over a small lake.

Here: starting both, what every page is watched for. Not here: what a page must do (the tests).
Without Chromium these tests are skipped: CHROMIUM names another one than /usr/bin/chromium.
"""

import os
import socket
import threading
import time
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Page, sync_playwright

from dashboards.app import create_app
from ingest.settings import Settings
from tests.dashboards.small_lake import fill

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("browser") / "home"
    fill(Settings(home=home, kafka_bootstrap="127.0.0.1:1"))
    return home


@pytest.fixture(scope="session")
def serve():
    """serve(settings) -> address; all are stopped at the session's end."""
    stops = []

    def start(settings) -> str:
        address, stop = _served(settings)
        stops.append(stop)
        return address

    yield start
    for stop in stops:
        stop()


@pytest.fixture
def serve_alone():
    """serve_alone(settings) -> address, stop: a server of one test, which may stop it under the
    page's feet.
    """
    return _served


def _served(settings):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings), host="127.0.0.1", port=port, log_level="error")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)

    def stop() -> None:
        server.should_exit = True
        thread.join()

    return f"http://127.0.0.1:{port}", stop


@pytest.fixture(scope="session")
def address(home, serve) -> str:
    return serve(Settings(home=home, kafka_bootstrap="127.0.0.1:1"))


@pytest.fixture(scope="session")
def chromium():
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no browser at {CHROMIUM}: install Debian's chromium, or set CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, request):
    """visit(url, scheme="light", width=1360) -> page, filled; at the end no error was logged,
    nothing sent out.
    """
    troubles, contexts = [], []

    def go(url: str, *, scheme: str = "light", width: int = 1360) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: troubles.append(str(e)))
        page.on(
            "request", lambda r: None if _is_here(r.url) else troubles.append(f"sent to {r.url}")
        )
        page.goto(url)
        settle(page)
        return page

    yield go
    for context in contexts:
        context.close()
    assert troubles == []


def _is_here(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))


def settle(page: Page, *, timeout_s: float = 60) -> None:
    """Until each chart has its sentence and its drawing, and each visible grid its columns."""
    ends = time.monotonic() + timeout_s
    done = """() => { const said = [...document.querySelectorAll('figcaption')];
        return said.length > 0 && said.every(c => c.textContent) && document.title.endsWith('Floe') &&
          [...document.querySelectorAll('.js-plotly-plot')].length === said.length &&
          [...document.querySelectorAll('.js-plotly-plot')].every(p => p.querySelector('.main-svg')) &&
          [...document.querySelectorAll('.ag-delay-render')].every(g => g.offsetParent === null); }"""
    while not page.evaluate(done):
        assert time.monotonic() < ends, "the page did not fill"
        page.wait_for_timeout(100)
    page.wait_for_timeout(600)


def until(page: Page, condition: str, *, timeout_s: float = 60) -> None:
    """Until the expression holds; the pages' content policy keeps a browser's own waiting from
    evaluating it.
    """
    ends = time.monotonic() + timeout_s
    while not page.evaluate(condition):
        assert time.monotonic() < ends, f"not in {timeout_s:.0f} s: {condition}"
        page.wait_for_timeout(100)
