"""The pages in a real browser: they fill, let nothing out, are accessible, and a link gives the
same screen.
"""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from dashboards.pages import PAGES
from dashboards.pages.before.page import BEFORE
from dashboards.pages.devices.page import DEVICES
from ingest.settings import Settings
from tests.browser.conftest import settle, until

URLS = {
    "cohort": "/",
    "trial": "/?parameter=PAINIDX",
    "durability": "/durability",
    "treatment": "/treatment",
    "care": "/care",
    "safety": "/safety",
    "alert": "/safety?alert=AL1",
    "patient": "/patient?patient=P1",
    "operations": "/operations",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", URLS)
def test_page_is_accessible(visit, address, name, scheme):
    """axe finds nothing, in light and dark; the fixture sees that no error is logged and nothing is
    sent out.
    """
    page = visit(address + URLS[name], scheme=scheme)
    found = Axe().run(page)
    assert [
        (v["id"], [n["target"] for n in v["nodes"]][:3]) for v in found.response["violations"]
    ] == []
    folder = os.environ.get("FLOE_SCREENSHOTS")
    if folder:
        picture(page, Path(folder) / f"{name}-{scheme}.png")


def picture(page, path: Path) -> None:
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": 1360, "height": min(height, 6_000)})
    page.wait_for_timeout(1_000)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path)


@pytest.mark.parametrize("name", URLS)
def test_figures_are_light(visit, address, name):
    """The budget of what is drawn: at most 30 traces, 2,000 marks and 500 KB a figure, each of a
    fixed height.
    """
    page = visit(address + URLS[name])
    for figure in page.evaluate(_FIGURES):
        assert figure["traces"] <= 30, figure
        assert figure["marks"] <= 2_000, figure
        assert figure["kib"] <= 500, figure
        assert figure["height"].endswith("px"), figure


_FIGURES = """[...document.querySelectorAll('.js-plotly-plot')].map(p => ({
    traces: p.data.length, kib: JSON.stringify(p.data).length / 1024, height: p.parentElement.style.height,
    marks: p.data.filter(t => (t.mode || '').includes('markers') || t.type === 'bar')
      .reduce((n, t) => n + (t.x?.length ?? 0), 0)}))"""


@pytest.mark.parametrize("name", URLS)
def test_no_button_shares(visit, address, name):
    """Plotly's upload is not there, nor any link out of this machine."""
    page = visit(address + URLS[name])
    labels = page.evaluate(
        "[...document.querySelectorAll('.modebar-btn')].map(b => b.ariaLabel || b.dataset.title || '')"
    )
    assert labels  # the bar itself is there
    assert [t for t in labels if "share" in t.lower() or "cloud" in t.lower()] == []
    assert (
        page.evaluate(
            "[...document.links].map(a => a.href).filter(h => !h.startsWith(location.origin))"
        )
        == []
    )


def test_dark_is_dark_everywhere(visit, address):
    """The switch turns page, chart and grid; the choice stays for the next visit."""
    page = visit(address + URLS["patient"])
    colour = """s => getComputedStyle(document.querySelector(s)).backgroundColor"""
    before = [page.evaluate(colour, s) for s in ("body", ".ag-root-wrapper")] + [_paper(page)]
    page.get_by_role("button", name="Switch light and dark").click()
    page.wait_for_timeout(2_500)
    after = [page.evaluate(colour, s) for s in ("body", ".ag-root-wrapper")] + [_paper(page)]
    assert all(_brightness(b) > 200 for b in before), before
    assert all(_brightness(a) < 60 for a in after), after
    page.reload()
    settle(page)
    assert _brightness(_paper(page)) < 60


@pytest.mark.parametrize("name", URLS)
def test_nothing_scrolls_sideways(visit, address, name):
    """No page on a phone; at 1280 px no table or grid that is in sight either."""
    phone = visit(address + URLS[name], width=390)
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    assert visit(address + URLS[name], width=1280).evaluate(_WIDER) == []


_WIDER = """[...document.querySelectorAll('.scroller, .ag-center-cols-viewport')]
    .filter(e => e.checkVisibility() && !e.closest('details:not([open])') && e.scrollWidth > e.clientWidth + 1)
    .map(e => [e.closest('.card').querySelector('h2').textContent, e.scrollWidth, e.clientWidth])"""


def test_paper_is_light(visit, address):
    """Printed from dark the page and its cards are white, their text is dark, the charts are turned
    round and uncut.
    """
    page = visit(f"{address}/", scheme="dark")
    page.emulate_media(media="print")
    style = """([s, p]) => getComputedStyle(document.querySelector(s))[p]"""
    assert all(
        _brightness(page.evaluate(style, [s, "backgroundColor"])) > 250
        for s in ("body", ".card", ".tile")
    )
    assert all(
        _brightness(page.evaluate(style, [s, "color"])) < 100
        for s in ("h1", ".card-title", ".tile-value")
    )
    assert page.evaluate(style, [".main-svg", "filter"]).startswith("invert(1)")
    assert page.evaluate(style, [".frame", "overflow"]) == "visible"
    assert not page.locator(".controls").is_visible()


_DIMMED = "getComputedStyle(document.querySelector('.stack > *')).opacity < 0.5"
_SELECTION = "document.querySelector('.selection').textContent"


def test_figures_of_another_selection_are_dimmed(home, serve_alone, chromium):
    """From the click on until the figures are those of the filter, which each card then names."""
    address, stop = serve_alone(Settings(home=home, kafka_bootstrap="127.0.0.1:1"))
    page = chromium.new_page()
    page.goto(f"{address}/")
    settle(page)
    assert not page.evaluate(_DIMMED)
    assert page.evaluate(_SELECTION) == "Of: routine care"
    held = []
    page.route("**/_dash-update-component", lambda request: held.append(request))
    _choose_clinic(page)
    until(page, _DIMMED)
    assert page.locator(".waiting-note").is_visible()
    assert page.evaluate(_SELECTION) == "Of: routine care"
    page.unroute("**/_dash-update-component")
    for request in held:
        request.continue_()
    until(page, f"!({_DIMMED})")
    assert page.evaluate(_SELECTION).startswith("Of: routine care, Clinic")
    page.context.close()
    stop()


def test_a_lost_connection_is_said_and_its_figures_stay_dimmed(home, serve_alone, chromium):
    """Without its server the page says since when; a filter chosen then never stands over the
    figures of before.
    """
    address, stop = serve_alone(Settings(home=home, kafka_bootstrap="127.0.0.1:1"))
    page = chromium.new_page()
    page.goto(f"{address}/")
    settle(page)
    stop()
    until(page, "document.getElementById('connection').textContent.includes('no answer since')")
    _choose_clinic(page)
    page.wait_for_timeout(3_000)
    assert page.evaluate(_DIMMED)
    assert page.evaluate(_SELECTION) == "Of: routine care"
    page.context.close()


def _choose_clinic(page) -> None:
    page.get_by_label("Clinic", exact=True).first.click()
    page.get_by_role("option").first.click()


def _paper(page) -> str:
    return page.evaluate("document.querySelector('.js-plotly-plot .main-svg').style.background")


def _brightness(colour: str) -> float:
    numbers = [
        int(n) for n in colour.removeprefix("rgba").removeprefix("rgb").strip("() ").split(",")[:3]
    ]
    return sum(numbers) / 3


def test_filter_changes_numbers_and_link_reproduces_them(visit, address):
    """Choosing a clinic changes URL and numbers; the URL in a new window gives the same screen;
    back goes back.
    """
    page = visit(f"{address}/")
    first = page.inner_text("#trajectory-caption")
    page.locator("#choose-clinic").click()
    page.get_by_role("option", name="Clinic C1 (C1)").click()
    page.wait_for_url("**/?clinic=C1")
    _until_changed(page, "#trajectory-caption", first)
    chosen = page.inner_text("#trajectory-caption")
    assert "mean from 7.0" in chosen
    other = visit(page.url)
    assert other.inner_text("#trajectory-caption") == chosen
    assert other.locator("#choose-clinic").input_value() == "Clinic C1 (C1)"
    page.go_back()
    _until_changed(page, "#trajectory-caption", chosen)
    assert page.inner_text("#trajectory-caption") == first
    assert page.locator("#choose-clinic").input_value() == ""


def _until_changed(page, selector: str, text: str) -> None:
    for _ in range(200):
        if page.inner_text(selector) != text:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{selector} still says {text!r}")


def test_pages_by_keyboard(visit, address):
    """Tab reaches the skip link first, then the pages; Enter opens one, with the filters kept."""
    page = visit(f"{address}/?clinic=C1")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    for _ in ("Cohort outcomes", "Studies", "Durability"):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Durability"
    page.keyboard.press("Enter")
    page.wait_for_url("**/durability?clinic=C1")
    settle(page)
    assert page.title() == "Durability · Floe"
    assert (
        page.evaluate("document.querySelector('[aria-current=page]').textContent") == "Durability"
    )


def test_a_serious_event_leads_to_its_patient(visit, address):
    """The list on top of the safety page links to the patient's page."""
    page = visit(f"{address}/safety")
    link = page.locator("#serious-events a").first
    link.wait_for()
    link.click()
    page.wait_for_url("**/patient?patient=P1")
    settle(page)
    assert "2 adverse events (2 serious)" in page.inner_text("#story-caption")


def test_own_choice_of_a_page_is_in_the_url(visit, address):
    """Choosing a control chart changes the URL; the URL alone gives the same screen."""
    page = visit(f"{address}/safety")
    page.locator("#choose-chart").click()
    page.get_by_role("option", name="u-chart").first.click()
    page.wait_for_url("**/safety?chart=*")
    page.wait_for_timeout(500)
    other = visit(page.url)
    assert other.inner_text("#control-chart-caption") == page.inner_text("#control-chart-caption")
    assert "Special cause, concern: a point beyond the limits, high" in other.inner_text(
        "#spc-icons"
    )


def test_table_behind_a_chart(visit, address):
    """Each chart has its numbers as a table, opened by keyboard."""
    page = visit(f"{address}/")
    page.locator("#trajectory-figure").scroll_into_view_if_needed()
    page.get_by_text("View as table").first.focus()
    page.keyboard.press("Enter")
    table = page.locator("#trajectory-table table")
    assert table.is_visible()
    assert "6.0 (5.5 to 6.5)" in table.inner_text()


def test_outside_network_holds_no_small_cell(visit, home, serve, chromium):
    """What the server sends to a reader from outside, looked at on the wire: no patient, no marked
    cell.
    """
    address = serve(Settings(home=home, kafka_bootstrap="127.0.0.1:1", viewer_role="outside"))
    sent = []
    small = [f"{path}?clinic=C2" for path in ("/", "/durability", "/treatment", "/care", "/safety")]
    for path in (*PAGES, *small, "/patient?patient=P1"):
        context = chromium.new_context()
        page = context.new_page()
        page.on(
            "response",
            lambda r: (
                sent.append(r.text())
                if "_dash-update-component" in r.url and r.status == 200
                else None
            ),
        )
        page.goto(address + path)
        if path in (BEFORE.path, DEVICES.path):  # lists, without a chart to wait for
            until(page, "!!document.querySelector('main')?.innerText.includes('own staff only')")
        else:
            settle(page)
        context.close()
    assert len(sent) > len(PAGES)
    said = "".join(sent)
    assert [
        s for s in ('"P1"', '"P2"', "[P1]", "AL1", "P-SECRET", "P-SAMPLE", "n = 3)") if s in said
    ] == []
    assert "suppressed" in said


def test_pause_stops_the_clock(visit, address):
    """While paused no look for news is made; without it they come every 5 s (WCAG 2.2.2)."""
    page = visit(f"{address}/operations")
    looks = []
    page.on(
        "request",
        lambda r: looks.append(r.url) if "marts-version" in (r.post_data or "")[:60] else None,
    )
    page.get_by_role("switch", name="Pause").click(force=True)
    page.wait_for_timeout(7_000)
    assert looks == []
    page.get_by_role("switch", name="Pause").click(force=True)
    page.wait_for_timeout(7_000)
    assert looks


def test_data_appear_in_an_open_page(visit, serve, tmp_path):
    """A page opened before there is a lake fills when the lake appears, without a reload."""
    from tests.dashboards.small_lake import fill

    settings = Settings(home=tmp_path / "home", kafka_bootstrap="127.0.0.1:1")
    page = visit(f"{serve(settings)}/")
    assert "there is no lake yet" in page.inner_text("#trajectory-caption")
    fill(settings)
    for _ in range(300):
        if "mean from 6.0" in page.inner_text("#trajectory-caption"):
            break
        page.wait_for_timeout(100)
    assert "mean from 6.0" in page.inner_text("#trajectory-caption")
