"""The treatment page: targets of 0 with counts and limits, clinics by name, dose that is not
causal, sessions to see.
"""

from dashboards import ids
from dashboards.components import outputs
from dashboards.pages.treatment import page as treatment
from tests.dashboards.looking import caption, part, payload, view

CHARTS = treatment.TREATMENT.cards


def beside(values: list) -> list:
    """What stands beside the charts: tiles, amounts, sessions."""
    return values[len(outputs(CHARTS)) :]


def test_clearance_has_target_count_and_limits(staff):
    """7 of 810 not cleared: 0.9 %, the target's line at 0, and 5 sessions at which a
    contraindication is not known.
    """
    values = view(staff, "/treatment")
    said = caption(values, CHARTS, ids.CLEARANCE)
    assert "7 of 810 sessions of 60 patients" in said
    assert "0.9 % (0.4 to 1.4); the target is 0" in said
    figure = part(values, CHARTS, ids.CLEARANCE, "figure")
    assert [(s.x0, s.x1) for s in figure.layout.shapes] == [(0, 0)]
    assert "1 / 805, 5 not known" in [a.text for a in figure.layout.annotations]


def test_above_a_target_of_0_is_a_concern(staff):
    """7 not cleared is marked, by a sign and not only by colour; no limit exceeded is not."""
    said = payload([beside(view(staff, "/treatment"))[0]])
    assert "\\u26a0\\ufe0e 7 of 810" in said
    assert '"0 of 790"' in said


def test_no_limit_exceeded_is_hollow_with_an_upper_limit(staff):
    """0 of 790: a hollow mark and a bar to (0 + 4) / 790 = 0.5 %."""
    figure = part(view(staff, "/treatment"), CHARTS, ids.WITHIN_LIMITS, "figure")
    (marks,) = figure.data
    assert marks.marker.symbol[0] == "circle-open"
    assert round(marks.error_x.array[0], 2) == 0.51


def test_course_says_adherence_and_what_still_runs(staff):
    """Mean over the courses that are over; the others are pending."""
    said = caption(view(staff, "/treatment"), CHARTS, ids.COURSE_DELIVERED)
    assert (
        "Of the sessions prescribed 90 % (80 to 100) were delivered, mean over 40 courses that are over; 3 still"
        in said
    )


def test_rewarming_says_how_complete_it_is(staff):
    """Seen at 300 of 810: what was not seen may have taken longer."""
    said = payload([beside(view(staff, "/treatment"))[1]])
    assert "seen warm again at 300 of 810 sessions" in said
    assert "slow rewarming is understated" in said
    assert "150 (150 to 150)" in said


def test_clinics_stand_by_name_and_need_sessions(staff):
    """C1 and C2, in the order of their names; C3 has no session and no row; nothing is called
    better.
    """
    values = view(staff, "/treatment")
    labels = part(values, CHARTS, ids.CLINIC_TREATMENT, "figure").layout.yaxis.ticktext
    assert list(labels) == ["Clinic C1 (C1)", "Clinic C2 (C2)"]
    assert "no ranking" in caption(values, CHARTS, ids.CLINIC_TREATMENT)


def test_dose_is_not_causal(staff):
    """The words stand first; each bin has its n; an interval of two patients that leaves the
    picture is said.
    """
    said = caption(view(staff, "/treatment"), CHARTS, ids.DOSE)
    assert said.startswith("Not causal")
    assert (
        "2 or more a week \N{MINUS SIGN}1.8 (\N{MINUS SIGN}2.3 to \N{MINUS SIGN}1.3) points (n = 12)"
        in said
    )
    assert "reaches beyond the picture" in said


def test_sessions_to_look_at(staff):
    """One without clearance, one too cold, the newest first; those without a finding are not
    there.
    """
    rows = beside(view(staff, "/treatment"))[2]
    assert [(r["session"], r["found"]) for r in rows] == [
        ("S1", "cabin too cold"),
        ("S0", "no valid clearance"),
    ]
    assert beside(view(staff, "/treatment", "?clinic=C3"))[2] == []
    assert beside(view(staff, "/treatment", "?arm=control"))[2] == []


def test_outside_no_session_and_no_small_clinic(outsider):
    """From outside no session is listed, and C2's row says suppressed in all three panels."""
    values = view(outsider, "/treatment")
    assert beside(values)[2] == []
    figure = part(values, CHARTS, ids.CLINIC_TREATMENT, "figure")
    assert [a.text for a in figure.layout.annotations if a.y == -1] == ["suppressed"] * 3
    assert all(len(t.x) == 1 for t in figure.data)
