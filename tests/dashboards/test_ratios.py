"""Rate ratios of the safety page: pairs by name, limits on a log axis, what has none, never for
outside.
"""

import math

import pytest

from dashboards import ids
from dashboards.filters import chosen, settled
from dashboards.pages.safety import page as safety
from dashboards.pages.safety import ratio_charts
from dashboards.theme import LIGHT
from tests.dashboards.looking import caption, part, payload, view
from tests.dashboards.rows import frame
from tests.dashboards.small_summaries import event_comparisons
from transforms.schemas import MART_TABLES

CHARTS = safety.SAFETY.cards


def figure(reader, search: str = ""):
    return part(view(reader, "/safety", search), CHARTS, ids.RATE_RATIOS, "figure")


def test_pairs_stand_by_name(staff):
    """Arms, modalities, clinics, each by name whatever the ratio; a clinic against all others."""
    assert list(figure(staff).layout.yaxis.ticktext) == [
        "acupuncture v control",
        "Whole body v Local",
        "Clinic C1 (C1) v all others",
        "Clinic C2 (C2) v all others",
        "Clinic C3 (C3) v all others",
    ]


def test_what_no_log_axis_holds_is_an_open_triangle(staff):
    """Ratio 0 at the left end, no upper limit at the right end, each with the limit that there is;
    the others as they are.
    """
    drawn = figure(staff)
    (marks,) = drawn.data
    low, high = (10**end for end in drawn.layout.xaxis.range)
    assert drawn.layout.xaxis.type == "log"
    assert list(marks.marker.symbol) == ["circle"] * 3 + [
        "triangle-right-open",
        "triangle-left-open",
    ]
    assert list(marks.x[:3]) == [0.8, 2.33, 1.75]
    assert high / 1.2 < marks.x[3] < high
    assert math.isclose(marks.x[3] - marks.error_x.arrayminus[3], 2.0)
    assert low < marks.x[4] < low * 1.2
    assert math.isclose(marks.x[4] + marks.error_x.array[4], 1.19)


def test_sentence_has_counts_limits_and_cautions(staff):
    """The first pair with its interval, numerators and denominators, p between randomised arms; and
    how not to read it.
    """
    said = caption(view(staff, "/safety"), CHARTS, ids.RATE_RATIOS)
    assert (
        "5 pairs; the first, acupuncture v control: ratio 0.80 (0.18 to 3.48), events / sessions 5 / 500 v 5 / 400, p = 0.750"
        in said
    )
    for caution in (
        "Not a ranking",
        "Few reported events are not fewer events",
        "Not adjusted for case mix",
    ):
        assert caution in said


def test_p_value_only_where_it_is_given(staff):
    """Of five pairs one is between randomised arms."""
    assert sum(", p" in a.text for a in figure(staff).layout.annotations) == 1


def test_table_has_limits_over_dispersion_and_reasons(staff):
    """1.75 (0.45 to 8.15), and its over-dispersion; without events in the reference the lower limit
    alone.
    """
    rows = payload([part(view(staff, "/safety"), CHARTS, ids.RATE_RATIOS, "table")])
    assert "1.75 (0.45 to 8.15)" in rows
    assert "1.4" in rows
    assert "lower limit 2.00" in rows
    assert "no events in the reference: the ratio has no upper bound" in rows


def test_which_events_count_is_followed(staff):
    """Serious ones only: no event in either group has no ratio, and says why."""
    values = view(staff, "/safety", "?restriction=serious")
    assert "no events in either group: the ratio could be anything" in caption(
        values, CHARTS, ids.RATE_RATIOS
    )
    assert len(part(values, CHARTS, ids.RATE_RATIOS, "figure").data[0].x) == 0


@pytest.mark.parametrize(
    ("search", "pairs"),
    [
        ("?clinic=C1", 1),
        ("?modality=local", 1),
        ("?arm=control", 1),
        ("?indication=chronic_low_back_pain", 5),
    ],
)
def test_a_filter_chooses_pairs(search, pairs):
    """The pairs that the chosen clinic, modality or arm is in, on either side; an indication
    chooses none. Arms are the study's.
    """
    rows = frame(MART_TABLES["adverse_event_comparisons"], event_comparisons()[:5])
    assert (
        ratio_charts.of_choice(
            rows, settled(chosen(search), {"ROUTINE": ["(none)", "acupuncture", "control"]})
        ).height
        == pairs
    )
    elsewhere = settled(chosen("?study=T"), {"T": ["control", "sham"]})
    assert set(ratio_charts.of_choice(rows, elsewhere)["dimension"]) == {"clinic_id", "modality"}


def test_no_reference_arm_is_said():
    """Without a named reference arm the counts stand, with what to set."""
    row = event_comparisons()[4] | {
        "reference": "(none)",
        "reference_events": None,
        "reference_sessions": None,
        "sessions_rate_ratio": None,
        "sessions_rate_ratio_lower": None,
        "sessions_rate_ratio_upper": None,
        "sessions_p_value": None,
        "sessions_reason": "name it in FLOE_REFERENCE_ARM",
    }
    rows = frame(MART_TABLES["adverse_event_comparisons"], [row])
    drawn = ratio_charts.ratios(rows, {}, of=LIGHT, title="", is_outside=False)
    assert "name it in FLOE_REFERENCE_ARM" in drawn.summary
    assert drawn.figure.layout.yaxis.ticktext == ("acupuncture v no reference arm",)


def test_outside_gets_the_reason_alone(outsider):
    """The table says nothing of itself: the card says whom it is for; no count, ratio or reason is
    sent.
    """
    values = view(outsider, "/safety")
    sent = payload(
        [part(values, CHARTS, ids.RATE_RATIOS, p) for p in ("figure", "caption", "table")]
    )
    assert "clinic's own staff" in sent
    for secret in ("all others", "5 / 500", "0.8", "no events in"):
        assert secret not in sent
    assert outsider.mart("adverse_event_comparisons").is_empty()
