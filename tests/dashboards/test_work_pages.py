"""The pages that people work by: before the session, and devices; who may see them, and who may
act.

Here: their views over a small real lake, and their doors over HTTP. Not here: the lists
(tests/ingest/alerting), how they look (tests/browser).
"""

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime

import pytest

from dashboards import ids
from dashboards.pages import PAGES
from dashboards.pages.before import page as before
from dashboards.pages.devices import page as devices
from dashboards.reader import Reader
from ingest.settings import Settings
from tests.dashboards.looking import payload
from tests.dashboards.test_app import app_callbacks, posted, start
from tests.dashboards.work_lake import fill


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    """A port where no broker listens: what is published is not sent, and the page says so."""
    settings = Settings(
        home=tmp_path_factory.mktemp("work") / "home", kafka_bootstrap="127.0.0.1:1"
    )
    fill(settings, now=datetime.now(UTC))
    return settings


@pytest.fixture(scope="module")
def worker(settings):
    reader = Reader(settings)
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def stranger(settings):
    reader = Reader(settings.model_copy(update={"viewer_role": "outside"}))
    yield reader
    reader.close()


def test_the_list_says_who_why_and_what_to_look_at(worker):
    """Clinic, day, patient, reason, concerns; that nothing is a booking, and what the list is
    not.
    """
    said = payload(before.view(worker, ""))
    assert "P1" in said
    assert "P2" in said
    assert "came on 3 of the last 3" in said
    assert "does not clear it: deferred" in said
    assert "open adverse event: =cmd() burn, grade 2" in said
    assert "D2" in said  # out of use, of the clinic
    assert "No event books a session" in said
    assert "no medical device" in said


def test_a_clinic_of_the_address_has_its_own_list(worker):
    """A link gives the same list; an unknown clinic gives none."""
    said = payload(before.view(worker, "?clinic=C2"))
    assert '"P2"' in said
    assert '"P1"' not in said
    assert '"P2"' not in payload(before.view(worker, "?clinic=C9"))


def test_who_else_was_on_a_device(worker):
    """Sessions since the calibration, what came after; the form is seen for a device that a record
    describes.
    """
    content, _, style = devices.view(worker, "?device=D1")
    said = payload(content)
    assert all(session in said for session in ("S11", "S12", "S13"))
    assert "=cmd() burn, grade 2" in said
    assert "3 sessions of 1 patient" in said
    assert style == {}
    assert devices.view(worker, "")[2] == {"display": "none"}
    assert "found no device" in payload(devices.view(worker, "?device=D9")[0])
    assert "found no alert" in payload(devices.view(worker, "?alert=A9")[0])


def test_each_device_has_its_own_rates(worker, monkeypatch):
    """Beside each device its events over its own sessions at its clinic, by clinic and id; of one
    without figures a dash.
    """
    rates = {("C1", "D1"): {"deficiency": dict(_RATE), "device_fault": dict(_RATE, events=0)}}
    monkeypatch.setattr(devices, "of_devices", lambda reader: rates)
    said = payload(devices.view(worker, "")[1])
    assert "2 / 310: 0.65 (0.08 to 2.33)" in said
    assert "0 / 310" in said
    assert said.index('"D1"') < said.index('"D2"')


_RATE = {
    "events": 2,
    "sessions": 310,
    "is_suppressed": False,
    "reason": None,
    "events_per_100_sessions": 0.645,
}
_RATE |= {"events_per_100_sessions_lower": 0.078, "events_per_100_sessions_upper": 2.33}


def test_an_alert_leads_to_its_device():
    """The address that other pages link to."""
    assert devices.link_to(device_id="D 1") == "/devices?device=D+1"
    assert devices.link_to(alert_id="A1") == "/devices?alert=A1"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Nothing was sent: found ''"),
        ({"by": "nurse"}, "for why"),
        ({"by": "nurse", "why": "leak", "from_on": "tomorrow"}, "found the day 'tomorrow'"),
        ({"by": "nurse", "why": "leak"}, "Nothing was sent"),  # no broker
    ],
)
def test_a_word_that_can_not_be_sent_says_why(worker, given, said):
    """Nobody is told that a device is out of use where nothing was sent."""
    word = {"by": None, "why": None, "from_on": None} | given
    assert said in devices.said(worker, "?device=D1", is_out=True, **word)


def test_a_reader_from_outside_sees_no_list_and_has_no_door(settings, stranger):
    """Neither the list nor the devices, and no callback by which to act."""
    for view in (before.view(stranger, ""), devices.view(stranger, "?device=D1")[0]):
        said = payload(view)
        assert "own staff only" in said
        assert not {"P1", "S11", "D1"} & set(said.split('"'))
    assert "own staff only" in devices.said(
        stranger, "?device=D1", is_out=True, by="x", why="y", from_on=None
    )
    address, stop = start(stranger.settings)
    try:
        outputs = [callback["output"] for callback in app_callbacks(address)]
        assert outputs
        assert not [output for output in outputs if ids.DEVICE_SAID in output]
    finally:
        stop()


def word_by(search: str, **values) -> bytes:
    states = (
        (ids.URL, "search", search),
        (ids.DEVICE_BY, "value", "nurse"),
        (ids.DEVICE_WHY, "value", "leak"),
        (ids.DEVICE_FROM, "value", values.get("from_on")),
    )
    body = {
        "output": f"{ids.DEVICE_SAID}.children",
        "outputs": {"id": ids.DEVICE_SAID, "property": "children"},
        "inputs": [
            {"id": id, "property": "n_clicks", "value": 1}
            for id in (ids.DEVICE_OUT, ids.DEVICE_BACK)
        ],
        "state": [{"id": id, "property": name, "value": value} for id, name, value in states],
        "changedPropIds": [f"{ids.DEVICE_OUT}.n_clicks"],
    }
    return json.dumps(body).encode()


def test_the_door_by_which_people_act_is_the_pages_own(settings):
    """Another site's page is refused; ours gets an answer, also for a value of another kind:
    400.
    """
    address, stop = start(settings)
    try:
        status, text = posted(address, word_by("?device=D1"))
        assert status == 200
        assert "Nothing was sent" in text  # no broker
        assert posted(address, word_by("?device=D1", from_on=["2026-01-01"]))[0] == 400
        headers = {"Content-Type": "application/json", "Origin": "https://evil.example"}
        foreign = urllib.request.Request(
            f"{address}/_dash-update-component", word_by("?device=D1"), headers
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(foreign, timeout=30)
        assert refused.value.code == 403
        refused.value.close()
    finally:
        stop()


def test_both_pages_are_pages():
    """They have addresses and names of their own."""
    assert (PAGES["/before"].name, PAGES["/devices"].name) == ("Before", "Devices")
