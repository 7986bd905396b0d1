"""The lists that people work by in a real browser: filled, accessible, on a phone and on paper.

Here: the pages before the session and of devices. Not here: what they say (tests/dashboards).
"""

from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe

from ingest.settings import Settings
from tests.browser.conftest import until
from tests.dashboards.work_lake import fill

PAGES = {"/before": "#before-sessions table.sheet", "/devices?device=D1": "#who-else table.sheet"}


@pytest.fixture(scope="module")
def work_address(tmp_path_factory, serve) -> str:
    settings = Settings(
        home=tmp_path_factory.mktemp("work") / "home", kafka_bootstrap="127.0.0.1:1"
    )
    fill(settings, now=datetime.now(UTC))
    return serve(settings)


@pytest.fixture
def open_page(chromium, work_address):
    contexts = []

    def go(path: str, *, scheme: str = "light", width: int = 1280):
        contexts.append(
            chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        )
        page = contexts[-1].new_page()
        page.goto(work_address + path)
        until(page, f"!!document.querySelector('{PAGES[path]}')")
        return page

    yield go
    for context in contexts:
        context.close()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_a_list_is_accessible_and_fits(open_page, path, scheme, width):
    """axe finds nothing; nothing scrolls sideways but a table within its card."""
    page = open_page(path, scheme=scheme, width=width)
    found = Axe().run(page)
    assert [
        (v["id"], [n["target"] for n in v["nodes"]][:3]) for v in found.response["violations"]
    ] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_paper_has_the_whole_list(open_page):
    """No row is cut off, and what paper can't do is not there."""
    page = open_page("/before", scheme="dark")
    page.emulate_media(media="print")
    uncut = "[...document.querySelectorAll('.scroller')].every(e => getComputedStyle(e).maxHeight === 'none')"
    assert page.evaluate(uncut)
    assert page.locator(".choice").is_hidden()
    assert "deferred" in page.inner_text("table.sheet >> nth=0")


def test_a_word_that_could_not_be_sent_is_said_on_the_page(open_page):
    """No broker is there: the person reads that nothing was sent."""
    page = open_page("/devices?device=D1")
    page.get_by_label("Who says so").fill("nurse")
    page.get_by_label("Why").fill("leak")
    page.get_by_role("button", name="Take out of use").click()
    until(page, "document.getElementById('device-said').textContent.includes('Nothing was sent')")
