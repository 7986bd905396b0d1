"""The top of the safety page: open alerts by tier, what is due, serious events, who has each; never
for outside.
"""

from datetime import timedelta

import polars as pl
import pytest

from dashboards import ids
from dashboards.filters import chosen
from dashboards.pages.alerts import opened as alert_opened
from dashboards.pages.alerts import page as alerts
from dashboards.pages.alerts import rows as alert_rows
from dashboards.pages.alerts.acts import Acts
from dashboards.pages.safety import page as safety
from dashboards.reader import Reader
from ingest.alerting.duty import Duty
from tests.dashboards.looking import payload
from tests.dashboards.rows import CUT

NOW = CUT + timedelta(minutes=14)
CLINICS = {"C1": "Clinic C1 (C1)"}
ROTA = Duty.model_validate(
    {
        "sinks": [{"name": name, "kind": "file", "path": "x"} for name in ("first", "second")],
        "rota": {"duty_clinician": ["first", "second"]},
    }
)


def top(reader: Reader, search: str = "", now=NOW) -> list:
    return alerts.view(reader, search, Acts(reader.settings), now=now)


def texts(component) -> list[str]:
    """The texts of a component, in order."""
    if isinstance(component, str):
        return [component]
    if isinstance(component, list | tuple):
        return [text for one in component for text in texts(one)]
    return texts(getattr(component, "children", None) or [])


def said(components) -> str:
    return " | ".join(texts(components))


def shown(reader: Reader, search: str = "") -> alert_rows.Shown:
    return alert_rows.shown(reader, chosen(search), CLINICS, now=NOW)


def test_open_alerts_by_tier(staff):
    """Each tier with how many are open and in nobody's hands; title, clinic, subject, ages, state,
    who and since when.
    """
    text = said(top(staff))
    assert "Now |  1 alert, 1 in nobody's hands." in text
    assert (
        "Harm to a patient | cold burn, grade 2, serious | Clinic C1 (C1) · Adverse event A1"
        in text
    )
    assert (
        "happened 3 h ago | told 14 min ago | Open | : nobody has it in hand, since 14 min" in text
    )
    assert "Today |  1 alert, 0 in nobody's hands." in text
    assert "Acknowledged | : Dr. A has it, since 10 min ago" in text
    assert "Noted |  1 alert, 1 in nobody's hands." in text
    assert "nozzle" not in text


def test_a_clinic_has_its_own(staff):
    """Of a chosen clinic its alerts and those of none; how many others there are elsewhere is said,
    by tier.
    """
    text = said(top(staff, "?clinic=C2"))
    assert "Of C2 and of no clinic" not in text
    assert (
        "Of Clinic C2 (C2) and of no clinic; other clinics have more: 1 of now, 1 of today" in text
    )
    assert "Harm to a patient" not in text
    assert "A cabin colder than its protocol allows" in text


def test_reports_and_serious_events_stand_beside(staff):
    """A report that is due with its day; an event of the last 24 hours with its age and who has
    it.
    """
    text = said(top(staff))
    assert "Due 02 Dec 2026, 12 days left" in text
    assert "1 in the last 24 hours (1 serious); 1 in the last seven days (1 serious)." in text
    assert "cold burn, grade 2, serious | in the last 24 hours" in text
    later = said(top(staff, now=NOW + timedelta(days=2)))
    assert "0 in the last 24 hours; 1 in the last seven days (1 serious)." in later
    assert "0 in the last seven days." in said(top(staff, now=NOW + timedelta(days=8)))


@pytest.mark.parametrize(
    ("cause", "clinic", "expected"),
    [
        ("us_death", "C1", "R1"),
        ("us_serious_injury", "C1", "R2"),
        ("eu_serious", "C1", None),
        (None, "C1", "R2"),  # any of them: the one that nobody has in hand
        ("us_death", "C2", None),
    ],
)
def test_a_report_has_the_alert_of_its_own_duty(cause, clinic, expected):
    """An event may be reportable by two rules: each duty shows who has its own alert, not the
    other's.
    """
    row = {
        "rule": "report_due",
        "subject_kind": "adverse_event",
        "subject_id": "A1",
        "clinic_id": "C1",
    }
    alerts_of_event = [
        row | {"alert_id": "R1", "cause": "us_death", "state": "acknowledged"},
        row | {"alert_id": "R2", "cause": "us_serious_injury", "state": "open"},
        row | {"alert_id": "H", "rule": "harm", "cause": "us_death", "state": "open"},
    ]
    standing = pl.DataFrame(alerts_of_event)
    alert = alert_rows.alert_of(
        standing, rule="report_due", kind="adverse_event", id="A1", clinic_id=clinic, cause=cause
    )
    assert (alert or {}).get("alert_id") == expected


def test_time_to_acknowledge_is_said(staff):
    """AL2 and AL4 were taken in hand after 4 min; nobody acknowledged what is noted, and it says
    so.
    """
    text = said(top(staff))
    assert "now | 1 | 4 min | 4 min | 1 | 0" in text
    assert "today | 1 | 4 min | 4 min | 0 | 0" in text
    assert "noted | 0 | none acknowledged | none acknowledged | 1 | 0" in text


def test_what_it_is_not(staff):
    """No medical device, no alarm of a room, no substitute for watching the patient."""
    text = said(top(staff))
    for part in (
        "no medical device",
        "no alarm for oxygen or temperature in a room",
        "no substitute for watching the patient",
    ):
        assert part in text


def test_that_nobody_watches_is_said(staff):
    """A home without a watcher's book has a list that nobody fills: said above it."""
    text = said(top(staff)[0])
    assert "Alerts may be missing here" in payload([top(staff)[0].to_plotly_json()])
    assert "No watcher has run in this home" in text


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "next second, in 10 min"),
        (8, "next second, in 2 min"),
        (10, "everybody on the rota was told"),
        (600, "everybody on the rota was told"),
    ],
)
def test_the_next_step_of_the_rota(staff, minutes, words):
    """Harm goes to the next after 10 min, counted from when it was told."""
    row = alert_rows.named(shown(staff), staff.settings, "AL1")
    step = alert_rows.next_step(row, ROTA, now=CUT + timedelta(minutes=minutes))
    assert step == f"for the duty clinician; {words}"


@pytest.mark.parametrize(
    ("alert", "step"),
    [
        ("AL1", "for the duty clinician; no rota is set, so nobody else is told"),
        ("AL2", ""),
        ("AL3", "for the duty clinician"),
        ("AL4", ""),
    ],
)
def test_without_a_rota_nobody_is_next(staff, alert, step):
    """Who is on duty is a setting; what is in hand or closed has no next."""
    assert (
        alert_rows.next_step(alert_rows.named(shown(staff), staff.settings, alert), Duty(), now=NOW)
        == step
    )


def test_an_alert_opened(staff):
    """Rule in words and what clears it, evidence, when it happened, landed and was told, each
    revision, how long it took.
    """
    first, rest, style, seen, _ = alert_opened.view(
        staff, "?alert=AL2", Acts(staff.settings), now=NOW
    )
    text = said([first, rest])
    assert seen == {"alert_id": "AL2", "revision": 1}
    assert style == {}
    assert "A device in use after its calibration was due: acknowledged" in text
    assert "a session began on a device after the day on which its calibration was due" in text
    assert "the device's record names a later day" in text
    assert "Evidence | AE1" in text
    assert "Happened | 20 Nov 2026, 09:00:00 UTC, 3 h ago" in text
    assert "Landed | 20 Nov 2026, 12:00:00 UTC, 14 min ago" in text
    assert "by Dr. A, 20 Nov 2026, 12:04:00 UTC, 4 min after it was told" in text
    assert "20 Nov 2026, 12:00:00 | Opened | today | Floe | due 2026-11-01" in text
    assert "20 Nov 2026, 12:04:00 | Acknowledged | today | Dr. A" in text


def test_a_closed_alert_has_no_form(staff):
    """What people found stands beside what Floe found; nothing is left to do."""
    children, _, style, *_ = alert_opened.view(staff, "?alert=AL4", Acts(staff.settings), now=NOW)
    assert "What people found | the nozzle was bent" in said(children)
    assert "What Floe found | cold burn, grade 2, serious" in said(children)
    assert style == {"display": "none"}


def test_no_alert_of_that_name(staff):
    """A link may be faster than what it leads to: the page says so, and has no form."""
    children, _, style, seen, _ = alert_opened.view(
        staff, "?alert=<b>x", Acts(staff.settings), now=NOW
    )
    assert "No alert of the id <b>x has landed here" in said(children)
    assert (style, seen) == ({"display": "none"}, None)


def test_outside_has_nothing_of_it(outsider):
    """Neither parts nor callbacks nor rows: what is not there can't be asked."""
    assert top(outsider) == []
    assert alert_opened.view(outsider, "?alert=AL1", Acts(outsider.settings))[:4] == (
        None,
        None,
        {"display": "none"},
        None,
    )
    layout = payload([c.to_plotly_json() for c in safety.SAFETY.layout(outsider)])
    for id in (ids.ALERTS, ids.ALERT_OPENED, ids.ALERT_FORM, ids.ALERT_SEEN):
        assert f'"{id}"' not in layout
    assert alert_rows.serious(outsider, chosen(""), now=NOW).is_empty()


def test_texts_of_others_are_texts(staff):
    """A finding with signs of markup, of direction or of a terminal is shown as it is, and does
    nothing.
    """
    row = alert_rows.named(shown(staff), staff.settings, "AL1")
    hostile = row | {
        "rule": "x\u202ey",
        "subject_id": "<img src=x>\x1b[2J",
        "subject_kind": None,
        "by": "\x07",
    }
    assert alert_rows.title(hostile) == "X\\u202ey"
    assert alert_rows.subject(hostile) == "<img src=x>\\x1b[2J"
    assert alert_rows.in_hand(hostile | {"state": "acknowledged"}, now=NOW).startswith(
        "\\x07 has it"
    )
