"""What the safety and devices pages say of devices, staff and visitors: counts over what,
intervals, never a ranking.

Here: card, tables, list. Not here: how events are counted
(tests/transforms/marts/test_device_events.py).
"""

import polars as pl
import pytest

from dashboards import ids, words
from dashboards.filters import chosen
from dashboards.pages.devices import device_events
from dashboards.pages.safety import page as safety
from dashboards.theme import look
from tests.dashboards.looking import beside, caption, part, payload, view
from tests.dashboards.rows import frame
from tests.dashboards.small_devices import device_event_rates
from transforms.schemas import MART_TABLES

CARDS = safety.SAFETY.cards
CLINICS = {"C1": "Clinic C1 (C1)"}


def rows(**changes) -> pl.DataFrame:
    """The whole's four rows, changed."""
    whole = [row | changes for row in device_event_rates() if not row["strata"]]
    return frame(MART_TABLES["device_event_rates"], whole)


def test_each_kind_over_its_denominators(staff):
    """6 deficiencies in 800 sessions, of them 2 grave and 1 of which that is not recorded; what is
    in no rate is said.
    """
    values = view(staff, "/safety")
    said = caption(values, CARDS, ids.DEVICE_RATES)
    assert (
        "In 800 sessions delivered: device deficiencies 6 (2 could have led to a serious adverse event, 1 not recorded)"
        in said
    )
    assert "incidents with staff or visitors 0;" in said
    assert "Before the clinic's first session on record, so in no rate: 4." in said
    assert "2 records of these topics could not be read" in said
    texts = [
        note.text for note in part(values, CARDS, ids.DEVICE_RATES, "figure").layout.annotations
    ]
    assert "6 / 800" in texts
    assert "6 / 32.0" in texts


def test_clinic_by_clinic_in_the_order_of_names(staff):
    """A row a clinic and kind, clinics by their ids whatever their figures; a chosen clinic has its
    own alone.
    """
    listed = beside(view(staff, "/safety"), safety.SAFETY, ids.DEVICE_CLINICS, "rowData")
    assert [r["clinic"] for r in listed] == ["Clinic C1 (C1)"] * 4 + ["Clinic C2 (C2)"] * 4
    assert listed[0]["events_per_100_sessions"] == "0.75 (0.38 to 1.25)"
    assert (listed[0]["over_sessions"], listed[0]["over_hours"]) == ("6 / 800", "6 / 32.0")
    one = beside(view(staff, "/safety", "?clinic=C2"), safety.SAFETY, ids.DEVICE_CLINICS, "rowData")
    assert {r["clinic"] for r in one} == {"Clinic C2 (C2)"}


def test_a_missing_rate_says_why():
    """Where durations are missing the rate per hour is its reason, and the count stays."""
    why = "device-hours are not known: no duration is on record of 3 of the sessions that began"
    (row, *_) = device_event_rates_rows(reason=why, events_per_1000_device_hours=None)
    assert row["events_per_1000_device_hours"] == why
    assert row["events_per_100_sessions"].startswith("0.75")


def device_event_rates_rows(**changes) -> list[dict]:
    return device_events.grid_rows(rows(**changes), CLINICS)


def test_study_and_indication_do_not_narrow_a_device():
    """Of a chosen indication the figures are those of all: the card says so, and names clinic and
    modality alone.
    """
    choice = chosen("?indication=migraine&clinic=C1")
    drawn = device_events.rates_card(rows(), choice, CLINICS, of=look("light"))
    assert any("do not narrow this" in note for note in drawn.notes)
    assert drawn.selection == "Clinic C1 (C1)"
    whole = device_events.rates_card(rows(), chosen(""), CLINICS, of=look("light"))
    assert not any("do not narrow" in note for note in whole.notes)


def test_records_one_by_one(staff):
    """Unknown moments first, then the newest; each says whether it is in the rates, and why not."""
    listed = device_events.record_rows(device_events.records(staff, chosen("")), CLINICS)
    assert [(r["when"], r["kind"]) for r in listed] == [
        ("not known", "Deficiency"),
        ("20 Nov 2026, 12:00 UTC", "Near miss"),
        ("03 Jun 2024, 12:00 UTC", "Incident"),
    ]
    assert [r["counts"] for r in listed] == [
        "yes",
        "yes",
        "no: it happened before the clinic's first session on record",
    ]
    assert [r["grave"] for r in listed] == ["not recorded", "serious", "no"]
    assert [
        r["clinic"]
        for r in device_events.record_rows(device_events.records(staff, chosen("?clinic=C2")), {})
    ] == ["C2"]


def test_an_empty_selection_says_why():
    """Without any session or device on record the card says that, and does not claim safety."""
    empty = device_events.rates_card(rows().clear(), chosen(""), CLINICS, of=look("light"))
    assert empty.is_empty
    assert "on record yet" in empty.summary


def test_outside_sees_no_record_and_no_small_cell(outsider):
    """No single record, no marked row's number in card, table or payload; the record list is not
    shown.
    """
    values = view(outsider, "/safety")
    assert beside(values, safety.SAFETY, ids.DEVICE_RECORDS, "rowData") == []
    hidden = [
        r
        for r in beside(values, safety.SAFETY, ids.DEVICE_CLINICS, "rowData")
        if r["clinic"] == "Clinic C2 (C2)"
    ]
    assert {r["over_sessions"] for r in hidden} == {"suppressed"}
    assert {r["events_per_100_sessions"] for r in hidden} == {"suppressed (small numbers)"}
    assert "door seal leaks" not in payload(values)


@pytest.mark.parametrize(
    ("row", "text"),
    [(None, words.NOTHING), (rows().row(0, named=True), "6 / 800: 0.75 (0.38 to 1.25)")],
)
def test_a_device_in_words(row, text):
    """Events over the device's own sessions and the rate with its interval; a dash where there are
    no figures.
    """
    assert device_events.of_device_in_words(row) == text
