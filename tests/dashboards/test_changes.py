"""Single patients' change on the cohort page: classes with denominators, the smallest change, the
patients' own cut.
"""

import polars as pl
import pytest

from dashboards import ids
from dashboards.gate import SUPPRESSED
from dashboards.pages.cohort import change_charts
from dashboards.pages.cohort import page as cohort
from dashboards.theme import LIGHT
from tests.dashboards.looking import caption, part, payload, view

CHARTS = cohort.COHORT.cards


def test_every_class_has_its_count_and_limits(staff):
    """6, 14, 27 and 3 of 50 that have a class; who has none is said: 9 missing, 2 not evaluable, 2
    not yet due of 63.
    """
    values = view(staff, "/")
    said = caption(values, CHARTS, ids.RELIABLE_CHANGE)
    assert (
        "At Month 3, routine care: recovered 6 / 50, 12 % (6 to 20); improved, not recovered 14 / 50, 28 %"
        in said
    )
    assert "deteriorated 3 / 50, 6 % (3 to 14)" in said
    assert "Of 63 patients 9 missing, 2 not evaluable, 2 not yet due." in said
    figure = part(values, CHARTS, ids.RELIABLE_CHANGE, "figure")
    assert [a.text for a in figure.layout.annotations] == ["6 / 50", "14 / 50", "27 / 50", "3 / 50"]
    assert [round(x, 9) for x in figure.data[0].x] == [12, 28, 54, 6]


def test_smallest_change_and_cut_have_their_sources(staff):
    """What counts as a change, and as recovered, with source and how far it was checked; a change
    is no effect.
    """
    said = caption(view(staff, "/"), CHARTS, ids.RELIABLE_CHANGE)
    assert "more than 2.38 points (Someone 2001; unverified)" in said
    assert "at or past 3 points, not so at baseline (Other 2002)" in said
    assert "not an effect" in said


def test_without_a_functional_cut_nobody_is_said_to_have_recovered(staff):
    """Recovered is null, never 0: it has no row, the caption says why, the improved are not called
    not recovered.
    """
    values = view(staff, "/", "?visit=Week 4")
    figure = part(values, CHARTS, ids.RELIABLE_CHANGE, "figure")
    assert list(figure.layout.yaxis.ticktext) == ["Improved", "Unchanged", "Deteriorated"]
    said = caption(values, CHARTS, ids.RELIABLE_CHANGE)
    assert "routine care: improved 14 / 50" in said
    assert "who recovered can't be told" in said


def test_no_measurement_error_is_a_reason(staff):
    """Both arms of the index: the reason, and how many there are, by arm."""
    said = caption(view(staff, "/", "?parameter=PAINIDX"), CHARTS, ids.RELIABLE_CHANGE)
    assert "no measurement error of this score is known" in said
    assert "Acupuncture: of 31 patients 1 missing, 30 not evaluable" in said


def test_patients_own_cut_stands_beside_the_published_one(staff):
    """The cut, the equally good one, the area with limits, both groups' sizes; the published change
    with its source.
    """
    values = view(staff, "/")
    said = caption(values, CHARTS, ids.IMPORTANT_CHANGE)
    assert (
        "an improvement of 2 points or more (equally good from 1.5 points) best tells the 40 patients"
        in said
    )
    assert "from the 35 others: AUC 0.81 (0.70 to 0.88); 3 without a global impression" in said
    assert "Published important change: 2 points (Farrar 2001; verified)" in said
    figure = part(values, CHARTS, ids.IMPORTANT_CHANGE, "figure")
    assert list(figure.layout.yaxis.ticktext) == ["Week 4", "Month 3"]
    assert list(figure.data[0].x) == [0.81]


@pytest.mark.parametrize(
    ("search", "published"),
    [
        ("?visit=Week 4", "Published important change: 2 points"),
        ("?parameter=PAINIDX", "No published important"),
    ],
)
def test_too_few_for_a_cut_say_so(staff, search, published):
    """12 and 9 of 30 needed: the reason stands, the published change beside it where there is
    one.
    """
    said = caption(view(staff, "/", search), CHARTS, ids.IMPORTANT_CHANGE)
    assert "no cut can be given: 12 improved and 9 not, 30 needed of each" in said
    assert published in said


def test_small_cells_are_not_for_outside(staff, outsider):
    """C2: staff read 1 / 4 and 2 improved; from outside the card says that it is suppressed, and of
    the sizes nothing.
    """

    def cards(reader) -> str:
        where = ("clinic_id = 'C2'",)
        classes = reader.mart("reliable_change", *where).with_columns(series=pl.lit("all patients"))
        cuts = reader.mart("important_change", *where)
        drawn = (
            change_charts.reliable(classes, "NRS7D", "Month 3", of=LIGHT),
            change_charts.important(cuts, "NRS7D", "Month 3", visits=["Month 3"], of=LIGHT),
        )
        return " ".join(
            payload([d.figure, d.summary, *d.notes, [] if d.table is None else d.table.to_dicts()])
            for d in drawn
        )

    mine, theirs = cards(staff), cards(outsider)
    for secret in ("1 / 4", "2 improved", "0.81", "Published important change", "of 63 patients"):
        assert secret not in theirs
    assert all(text in mine for text in ("1 / 4", "2 improved", "0.81"))
    assert theirs.count(SUPPRESSED) >= 2
