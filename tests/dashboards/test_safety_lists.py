"""The safety page's lists and its severity: serious events, reports that are due, never for
outside.
"""

import polars as pl
import pytest

from dashboards import icons, ids, words
from dashboards.filters import chosen, settled
from dashboards.pages.safety import between_charts
from dashboards.pages.safety import lists as safety_lists
from dashboards.pages.safety import page as safety
from tests.dashboards.looking import beside, caption, part, payload, view
from tests.dashboards.rows import frame
from tests.dashboards.small_lake import control_charts
from transforms.schemas import MART_TABLES

CHARTS = safety.SAFETY.cards
CLINICS = {"C1": "Clinic C1 (C1)"}


def test_serious_events_stand_at_once(staff):
    """Two serious records of one patient, that of unknown onset before the known one; each leads to
    its patient.
    """
    records = safety_lists.records(staff, chosen(""))
    assert (
        safety_lists.serious_said(records)
        == "2 records of 1 patient: 2 serious, 0 burns or frostbite; 1 not resolved yet."
    )
    rows = safety_lists.serious(records, CLINICS)
    assert [r["onset"] for r in rows] == ["not known", "02 Mar 2026, 10:00 UTC"]
    assert rows[0]["patient"] == "[P1](/patient?patient=P1)"
    nothing = view(staff, "/safety", "?clinic=C3")
    assert beside(nothing, safety.SAFETY, ids.SERIOUS_SAID) == ""
    assert beside(nothing, safety.SAFETY, ids.part(ids.SERIOUS, "none")).startswith(
        "None on record"
    )


def test_the_study_on_which_a_page_stands_hides_no_harm(staff):
    """Without a choice the list has the harm of every study, also where the figures are of one; a
    chosen study has its own.
    """
    by_itself = settled(chosen(""), {"another study": ["(none)"]})
    assert by_itself.dimensions["study_id"] == "another study"
    assert safety_lists.records(staff, by_itself).height == 2
    assert safety_lists.records(
        staff, settled(chosen("?study=another study"), {"another study": []})
    ).is_empty()


@pytest.mark.parametrize(
    ("id", "link"),
    [
        ("P_1", r"[P\_1](/patient?patient=P_1)"),
        ("a](x)", r"[a\]\(x\)](/patient?patient=a%5D%28x%29)"),
    ],
)
def test_an_id_is_no_markup(id, link):
    """An id with signs of Markdown stays the text that it is."""
    row = dict.fromkeys(MART_TABLES["adae"].names) | {"USUBJID": id, "AESER": "Y", "AEDECOD": "x"}
    rows = frame(MART_TABLES["adae"], [row | {"STUDYID": "s", "AESEQ": 1, "AEID": "a"}])
    assert safety_lists.serious(rows, {})[0]["patient"] == link


def test_reports_due(staff, outsider):
    """What to whom by when, with its source and whether that was read; of another clinic none; from
    outside none.
    """
    (row,) = safety_lists.deadlines(staff, chosen(""), CLINICS)
    assert (row["state"], row["due"], row["days_left"]) == ("Open", "02 Dec 2026", 12)
    assert row["about"] == "Adverse event A1"
    assert row["source"] == "21 CFR 803.30 (verified)"
    assert safety_lists.deadlines(staff, chosen("?clinic=C2"), CLINICS) == []
    assert safety_lists.deadlines(outsider, chosen(""), CLINICS) == []


class Deadlines:
    """A reader of reports that are due, one a state."""

    def mart(self, name):
        table = MART_TABLES[name]
        states = next(c.closed for c in table.columns if c.name == "state")
        rows = [
            dict.fromkeys(table.names) | {"subject_id": s, "subject_kind": "incident", "state": s}
            for s in states
        ]
        return pl.DataFrame(rows, schema=table.polars_schema)


def test_reports_in_the_order_of_hands():
    """What is overdue or due without delay is first, what nobody must do and what is done last; no
    clinic is a dash.
    """
    rows = safety_lists.deadlines(Deadlines(), chosen(""), {})
    states = [
        "Overdue",
        "Due now",
        "Open",
        "No date",
        "No rule",
        "Voluntary",
        "Reported late",
        "Reported",
    ]
    assert [r["state"] for r in rows] == states
    assert {r["clinic"] for r in rows} == {words.NOTHING}


def test_outside_sees_no_list_of_patients(outsider):
    """No serious record, no record of a device, no report that is due, no grade of a single term;
    their panels are not shown.
    """
    values = view(outsider, "/safety")
    for of_staff in (ids.SERIOUS, ids.DEADLINES, ids.DEVICE_RECORDS):
        assert beside(values, safety.SAFETY, of_staff, "rowData") == []
    assert "own staff only" in caption(values, CHARTS, ids.GRADES)
    hidden = payload([c.to_plotly_json() for c in safety.SAFETY.layout(outsider)])
    assert hidden.count('"display": "none"') == 3


def test_severity_counts_what_it_shows(staff):
    """Of 7 events 0 serious, with the rate's exact limits; the sentence counts the kinds that the
    picture has.
    """
    said = caption(view(staff, "/safety"), CHARTS, ids.SEVERITY)
    assert "Of 7 events:" in said
    assert "0 serious" in said


def test_resolution_is_cut_where_few_are_left(staff):
    """11 of 12 resolved; the one that lasts is beyond the first picture, and it is said."""
    values = view(staff, "/safety")
    said = caption(values, CHARTS, ids.RESOLUTION)
    assert (
        "11 resolutions among 12 adverse events of 9 patients, median 40 days (95 % CI 20 to not reached)"
        in said
    )
    assert "Followed beyond day 14: 1." in said
    assert part(values, CHARTS, ids.RESOLUTION, "figure").layout.xaxis.range[1] < 90


def test_latest_point_has_its_icon(staff):
    """The last point is outside and above the center: concern, H, with its words; no target, no
    assurance.
    """
    rows = frame(MART_TABLES["control_charts"], control_charts())
    (icon,) = between_charts.icons_of(rows)
    image, text = icon.children
    assert text.children == "Special cause, concern: a point beyond the limits, high"
    assert image.alt == ""
    assert image.src.startswith("data:image/svg+xml,")
    assert "%3EH%3C" in image.src


def test_a_trend_has_the_icon_of_its_direction(staff):
    """Falling, though above the center: L and its line falls, and the words say falling."""
    rows = frame(MART_TABLES["control_charts"], control_charts()).with_columns(
        point_type=pl.lit("trend"), signal_direction=pl.lit("falling"), value=pl.lit(2.0)
    )
    (icon,) = between_charts.icons_of(rows)
    image, text = icon.children
    assert text.children == "Special cause, concern: points going one way, falling"
    assert "%3EL%3C" in image.src


@pytest.mark.parametrize("icon", [None, "unknown"])
def test_no_rule_no_icon(icon):
    """Where no rule could be applied nothing is drawn."""
    assert icons.variation(icon, is_high=True) is None
    assert icons.assurance(icon) is None


def test_every_icon_of_the_mart_is_drawn():
    """Closed lists of the schema and the drawings are the same."""
    columns = {c.name: c.closed for c in MART_TABLES["control_charts"].columns}
    assert set(icons.VARIATION) == set(columns["variation_icon"])
    assert set(icons.ASSURANCE) == set(columns["assurance_icon"])


def test_overview_has_a_row_a_chart(staff):
    """One chart, its latest value and what it says; suppressed from outside."""
    rows = frame(MART_TABLES["control_charts"], control_charts())
    (row,) = between_charts.overview(rows, CLINICS)
    assert (row["clinic"], row["value"], row["signals"], row["said"]) == (
        "Clinic C1 (C1)",
        5.0,
        1,
        "Special cause, concern",
    )
    assert row["target"] == "no target set"
