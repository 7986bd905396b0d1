"""Alerts in a real browser: one appears by itself, is taken in hand from the page, and shows who
has it.

Here: the page over a lake in which events land as the page goes on; what is published lands at
once, without Kafka between (tests/faults has the whole system). Not here: what is said
(tests/dashboards).
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from ingest import stream
from ingest.contract import encode
from ingest.lake import Lake
from ingest.landing import land, prepare
from ingest.settings import Settings
from ingest.source import Batch
from tests.browser.conftest import until

TOPIC = "floe.alerts.v1"


class Site:
    """A lake in which alerts land."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._positions: dict[str, int] = defaultdict(int)

    def publish(self, _settings, records) -> int:
        """As ingest.stream's, but that it has landed when it returns."""
        records = list(records)
        keys, values = [key for _, key, _ in records], [value for _, _, value in records]
        first = self._positions[TOPIC]
        end = self._positions[TOPIC] = first + len(records)
        batch = Batch(TOPIC, "T", 0, first, end, list(range(first, end)), keys, values)
        with Lake.open(self.settings) as lake:
            assert land(lake, prepare([batch], now=datetime.now(UTC))).rejects == 0
        return len(records)

    def told(self, alert_id: str, revision: int = 0, **more) -> None:
        """What the watcher tells of harm to a patient."""
        now = datetime.now(UTC)
        data = {
            "alert_id": alert_id,
            "rule": "harm",
            "tier": "now",
            "state": "open",
            "news": "opened",
            "clinic_id": "C1",
        }
        data |= {
            "subject_kind": "adverse_event",
            "subject_id": "E1",
            "evidence": ["e1"],
            "revision": revision,
        }
        data |= {
            "occurred_at": now - timedelta(minutes=3),
            "landed_at": now,
            "told_at": now,
            "recorded_at": now,
        }
        data |= {"finding": "burn, grade 1"} | more
        event = encode(TOPIC, data, id=f"{alert_id}/{revision}", source="/floe/alerts", time=now)
        self.publish(self.settings, [(TOPIC, alert_id.encode(), event)])


@pytest.fixture
def site(tmp_path, serve, monkeypatch) -> tuple[Site, str]:
    settings = Settings(home=tmp_path / "home", kafka_bootstrap="127.0.0.1:1")
    Lake.open(settings).close()
    site = Site(settings)
    monkeypatch.setattr(stream, "publish", site.publish)
    return site, serve(settings)


def text_of(page, id: str) -> str:
    return page.evaluate(f"document.getElementById('{id}').innerText")


def test_an_alert_is_acknowledged_looked_into_and_closed(visit, site):
    """It appears without anybody asking, and after each act the page has its new state, who has it,
    and what is said.
    """
    site, address = site
    page = visit(f"{address}/safety")
    assert "Harm to a patient" not in text_of(page, "alerts")
    site.told("harm-0123456789abcdef")
    until(
        page,
        "document.getElementById('alerts').innerText.includes('Harm to a patient')",
        timeout_s=20,
    )
    assert "nobody has it in hand" in text_of(page, "alerts")
    page.get_by_role("link", name="Harm to a patient").first.click()
    page.wait_for_url("**/safety?alert=harm-0123456789abcdef")
    page.get_by_label("Your name or role").fill("Dr. <b>A</b>")
    page.get_by_role("button", name="Acknowledge").click()
    until(page, "document.getElementById('alert-said').innerText.includes('lands in a moment')")
    until(
        page,
        "document.getElementById('alert-opened').innerText.includes('Dr. <b>A</b> has it, since')",
    )
    until(page, "document.getElementById('alerts').innerText.includes('Dr. <b>A</b> has it')")
    page.get_by_label("What was found").fill("the nozzle was bent")
    page.get_by_label("What is done about it").fill("replaced")
    page.get_by_label("By which day").fill("2030-01-31")
    page.get_by_role("button", name="Look into it").click()
    until(
        page,
        "document.getElementById('alert-opened').innerText.includes('replaced, by 31 Jan 2030')",
    )
    assert page.get_by_label("What was found").input_value() == ""
    page.get_by_label("What was found").fill("the nozzle was bent by a fall")
    page.get_by_role("button", name="Close").click()
    until(page, "document.getElementById('alert-opened').innerText.includes('bent by a fall')")
    until(page, "!document.getElementById('alert-form').checkVisibility()")
    until(page, "!document.getElementById('alerts').innerText.includes('Harm to a patient')")
    until(
        page, "document.getElementById('alerts').innerText.match(/now\\s+1\\s+\\d+ s/)"
    )  # time to acknowledge, n = 1


def test_what_is_typed_stays_while_things_land_and_goes_with_its_alert(visit, site):
    """Under one alert the text stays when another event lands; under the next the form is empty but
    for the name.
    """
    site, address = site
    site.told("harm-0000000000000001")
    site.told("harm-0000000000000002", subject_id="E2")
    page = visit(f"{address}/safety?alert=harm-0000000000000001")
    page.get_by_label("Your name or role").fill("Dr. A")
    page.get_by_label("What was found").fill("half a sent")
    site.told("harm-0000000000000001", 1, news="raised", finding="burn, grade 3")
    until(
        page,
        "document.getElementById('alert-opened').innerText.includes('burn, grade 3')",
        timeout_s=20,
    )
    assert page.get_by_label("What was found").input_value() == "half a sent"
    page.get_by_role("link", name="Back to all alerts").click()
    until(page, "!document.getElementById('alert-opened').innerText")
    page.locator("#alerts a[href*='0002']").first.click()
    until(page, "document.getElementById('alert-opened').innerText.includes('Adverse event E2')")
    until(page, "document.getElementById('alert-form').checkVisibility()")
    assert page.get_by_label("What was found").input_value() == ""
    assert page.get_by_label("Your name or role").input_value() == "Dr. A"


def test_two_browsers_on_one_alert(visit, site):
    """Both show revision 0; the second, whose page has not seen the first's act, is told of it, and
    keeps its text.
    """
    site, address = site
    site.told("harm-0123456789abcdef")
    pages = [visit(f"{address}/safety?alert=harm-0123456789abcdef") for _ in range(2)]
    for page, name in zip(pages, ("Dr. A", "Dr. B"), strict=True):
        page.get_by_label("Your name or role").fill(name)
        page.evaluate(
            "document.getElementById('pause').checked || document.getElementById('pause').click()"
        )
    first, second = pages
    first.get_by_role("button", name="Acknowledge").click()
    until(first, "document.getElementById('alert-opened').innerText.includes('Dr. A has it')")
    second.get_by_label("What was found").fill("nothing")
    second.get_by_role("button", name="Close").click()
    until(
        second,
        "document.getElementById('alert-said').innerText.includes('Dr. A changed it meanwhile')",
    )
    assert second.get_by_label("What was found").input_value() == "nothing"
    until(second, "document.getElementById('alert-opened').innerText.includes('Dr. A has it')")
    until(first, "document.getElementById('alerts').innerText.includes('Dr. A has it')")
