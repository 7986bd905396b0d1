"""The care page: use before and latest of the same patients, rates with their years, curves by arm,
life.
"""

from dashboards import ids
from dashboards.pages.care import page as care
from tests.dashboards.looking import caption, part, payload, view

CHARTS = care.CARE.cards


def test_use_before_and_latest_of_the_same_patients(staff):
    """12 and 9 of the same 30; of 30 it is not known; never an effect."""
    said = caption(view(staff, "/care"), CHARTS, ids.MEDICATION)
    assert "Opioids 12 / 30 in the 28 days before Day 1" in said
    assert "9 / 30 in the latest 28 days known" in said
    assert "Of 30 patients it is not known." in said
    assert "not an effect" in said


def test_stopped_and_started_have_their_own_denominators(staff):
    """3 of the 12 users stopped, 0 of the 18 others started."""
    said = caption(view(staff, "/care"), CHARTS, ids.STOPPED)
    assert "stopped, of the users before 3 / 12; Opioids: started, of the others 0 / 18" in said


def test_no_surgery_has_its_upper_limit(staff):
    """0 in 25 years: 0.0 with the highest rate that this allows, drawn hollow."""
    values = view(staff, "/care")
    assert "Surgeries: 0 / 25.0 years, 0.0 (0.0 to 14.8) per 100 patient-years" in caption(
        values, CHARTS, ids.PROCEDURES
    )
    (marks,) = part(values, CHARTS, ids.PROCEDURES, "figure").data
    assert list(marks.marker.symbol) == ["circle", "circle-open"]


def test_surgery_is_compared_from_allocation(staff):
    """With arms the clock starts at the allocation and has its test; one chosen arm, or a clinic,
    starts at Day 1.
    """
    values = view(staff, "/care")
    assert "Log-rank between the randomised arms: p = 0.030" in caption(values, CHARTS, ids.SURGERY)
    assert (
        part(values, CHARTS, ids.SURGERY, "figure").layout.xaxis.title.text
        == "days since allocation"
    )
    alone = caption(view(staff, "/care", "?clinic=C1"), CHARTS, ids.SURGERY)
    assert alone == "Time to surgery: nobody in this selection yet."


def test_life_by_each_instruments_own_change(staff):
    """Better 20 of 33, worse 2 of 31; an instrument without such a rule stands in the table with
    its mean.
    """
    values = view(staff, "/care")
    assert "better 20 / 33, 61 % (30 to 73); worse 2 / 31" in caption(values, CHARTS, ids.LIFE)
    table = payload([part(values, CHARTS, ids.LIFE, "table")])
    assert "EQ-5D-5L visual analogue scale of health, 0-100" in table
    assert "6.0 (5.9 to 6.1) points, n = 25" in table
    assert "no rule" in table


def test_outside_small_clinic_has_no_number(outsider):
    """C2's care is not drawn and its tiles hold no count."""
    said = payload(view(outsider, "/care", "?clinic=C2"))
    assert "12 / 30" not in said
    assert "suppressed" in said
