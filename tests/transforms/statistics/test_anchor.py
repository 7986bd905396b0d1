"""The anchored minimal important change: by hand, against every cut tried one by one, and where
none is given.
"""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import UsageError
from transforms.facts.catalogue import METRICS
from transforms.options import Options
from transforms.statistics import anchor


def patients(rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"CHG": pl.Float64, "PGIC": pl.Int64}, orient="row")


#  change  PGIC
WORKED = [
    (-5.0, 1),
    (-3.0, 2),
    (-2.0, 2),
    (-1.0, 2),
    (-3.0, 3),
    (-1.0, 4),
    (0.0, 4),
    (1.0, 6),
    (2.0, 7),
]


def test_worked_example():
    """Improved by 5 3 2 1, not by 3 1 0 -1 -2.

    Sensitivity + specificity at 5, 3, 2, 1, 0: 1/4 + 1, 2/4 + 4/5, 3/4 + 4/5, 1 + 3/5 (best), 1 +
    2/5. Of the 20 pairs the improved patient wins 5, 4, 4 and 3 and ties two.
    """
    found = anchor.minimal_important_change(patients(WORKED), min_group=4)
    assert (found.points, found.tied_points) == (1.0, (1.0,))
    assert (found.sensitivity, found.specificity) == (1, 3 / 5)
    assert found.auc == (5 + 4.5 + 4 + 3.5) / 20
    assert (found.n_improved, found.n_not_improved, found.n_left_out, found.reason) == (
        4,
        5,
        0,
        None,
    )


def test_higher_may_be_better():
    """The same improvements of a score that rises give the same cut, in points of improvement."""
    rising = patients(WORKED).with_columns(-pl.col("CHG"))
    lower = anchor.minimal_important_change(patients(WORKED), min_group=1)
    assert anchor.minimal_important_change(rising, better="higher", min_group=1) == lower


def test_ties_take_the_greatest_improvement_and_are_shown():
    """Improved 3 and 1, not 2 and 0: at 3 and at 1 point the sum is 1.5 alike; 3 calls fewer
    patients improved.
    """
    found = anchor.minimal_important_change(
        patients([(-3, 1), (-1, 2), (-2, 4), (0, 4)]), min_group=2
    )
    assert (found.points, found.tied_points, found.auc) == (3.0, (1.0, 3.0), 0.75)
    assert (found.sensitivity, found.specificity) == (0.5, 1.0)


def test_perfect_separation():
    """Where every improved patient changed more than every other, the area is 1 and the cut their
    least change.
    """
    rows = [(-2.0 - k / 10, 1 + k % 2) for k in range(30)] + [
        (-1.9 + k / 10, 3 + k % 5) for k in range(30)
    ]
    found = anchor.minimal_important_change(patients(rows))
    assert (found.points, found.auc, found.sensitivity, found.specificity) == (2.0, 1.0, 1.0, 1.0)


def test_a_small_group_gives_no_cut_and_no_area():
    """29 improved are one too few, 30 are enough; the numbers of patients are shown with the
    reason.
    """
    rows = [(-3.0, 2)] * 29 + [(0.0, 3)] * 40
    found = anchor.minimal_important_change(patients(rows))
    assert (found.points, found.auc, found.sensitivity, found.specificity) == (None,) * 4
    assert (found.n_improved, found.n_not_improved) == (29, 40)
    assert found.reason == "29 improved and 40 not, 30 needed of each"
    assert anchor.minimal_important_change(patients([*rows, (-3.0, 1)])).points == 3.0
    assert (
        anchor.minimal_important_change(patients([])).reason
        == "0 improved and 0 not, 30 needed of each"
    )


def test_missing_values_leave_the_patient_out():
    """A null or NaN change, or a null impression, is no patient of either group; they are
    counted.
    """
    rows = [*WORKED, (None, 1), (float("nan"), 4), (-9.0, None)]
    found = anchor.minimal_important_change(patients(rows), min_group=4)
    assert (found.n_left_out, found.points, found.n_improved) == (3, 1.0, 4)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([(-1.0, 1), (-1.0, 4)], "the change does not tell the two groups apart"),
        ([(0.0, 1), (-4.0, 4)], "the change does not tell the two groups apart"),
        ([(1.0, 1), (4.0, 4)], "the best cut is no improvement"),
        ([(0.0, 2), (1.0, 4)], "the best cut is no improvement"),
    ],
)
def test_a_cut_that_means_nothing_is_not_given(rows, reason):
    """No separation, a separation the wrong way round, or a cut at no change or worse: the area and
    a reason only.
    """
    found = anchor.minimal_important_change(patients(rows), min_group=1)
    assert (found.points, found.tied_points, found.reason) == (None, (), reason)
    assert found.auc is not None


def test_decimals_that_are_equal_are_one_cut():
    """0.1 + 0.2 and 0.3 are the same change, whatever their binary fractions."""
    found = anchor.minimal_important_change(
        patients([(-0.3, 1), (-(0.1 + 0.2), 2), (0.0, 4)]), min_group=1
    )
    assert (found.points, found.sensitivity) == (0.3, 1.0)


def by_trying(rows) -> tuple[float, float | None]:
    """Area over all pairs, and the greatest of the best cuts over all changes, one patient after
    another.
    """
    improved = [-change for change, pgic in rows if pgic <= 2]
    others = [-change for change, pgic in rows if pgic >= 3]
    won = sum((a > b) + (a == b) / 2 for a in improved for b in others)
    best = {
        cut: sum(a >= cut for a in improved) * len(others)
        - sum(b >= cut for b in others) * len(improved)
        for cut in {*improved, *others}
    }
    cut = max(best, key=lambda c: (best[c], c))
    given_ = best[cut] > 0 and cut > 0
    return won / (len(improved) * len(others)), cut if given_ else None


SAMPLES = st.lists(
    st.tuples(st.integers(-20, 12).map(lambda k: k / 2), st.integers(1, 7)), min_size=2, max_size=40
)
SAMPLES = SAMPLES.filter(lambda rows: len({pgic <= 2 for _, pgic in rows}) == 2)


@given(rows=SAMPLES)
def test_equals_every_cut_tried_one_by_one(rows):
    """The area and the cut are those of all pairs and all cuts, written as loops."""
    found = anchor.minimal_important_change(patients(rows), min_group=1)
    auc, cut = by_trying(rows)
    assert found.auc == pytest.approx(auc, abs=1e-12)
    assert found.points == cut


@given(rows=SAMPLES, random=st.randoms(use_true_random=False))
def test_neither_order_nor_doubling_changes_the_cut(rows, random):
    """Patients in another order, and everybody twice: the same cut, ties, area and shares; twice
    the numbers.
    """
    first = anchor.minimal_important_change(patients(rows), min_group=1)
    twice = [*rows, *rows]
    random.shuffle(twice)
    second = anchor.minimal_important_change(patients(twice), min_group=1)
    same = ("points", "tied_points", "auc", "sensitivity", "specificity", "reason")
    assert [getattr(first, name) for name in same] == [getattr(second, name) for name in same]
    assert (second.n_improved, second.n_not_improved) == (
        2 * first.n_improved,
        2 * first.n_not_improved,
    )


def test_many_cells_at_once_are_each_cell_alone():
    """Cells side by side, one of them with a null in its key and one with a side empty, give what
    each gives alone.
    """
    rng = np.random.default_rng(5)
    rows = [
        (c, float(rng.integers(-8, 4)), int(rng.integers(1, 8 if c != "z" else 3)))
        for c in ("a", "b", None, "z")
        for _ in range(40)
    ]
    frame = pl.DataFrame(
        rows, schema={"clinic": pl.String, "CHG": pl.Float64, "PGIC": pl.Int64}, orient="row"
    )
    gain = anchor.improvement(pl.col("CHG"), better="lower")
    sides = frame.with_columns(improvement=gain, is_improved=anchor.is_improved(pl.col("PGIC")))
    counts = sides.group_by("clinic", "improvement").agg(**anchor.by_side())
    cells = anchor.cuts(counts, by=["clinic"], min_group=5)
    assert cells.height == 4
    for row in cells.iter_rows(named=True):
        alone = anchor.minimal_important_change(
            frame.filter(pl.col("clinic").eq_missing(pl.lit(row["clinic"]))), min_group=5
        )
        for name in (
            "points",
            "auc",
            "sensitivity",
            "specificity",
            "n_improved",
            "n_not_improved",
            "reason",
        ):
            assert row[name] == getattr(alone, name)


def test_area_standard_error_of_hanley_and_mcneil():
    """Hanley & McNeil 1982, the 109 tomographies: area 0.893 of 51 abnormal and 58 normal, standard
    error 0.032.
    """
    assert float(anchor.area_standard_error(0.893, 51, 58)) == pytest.approx(0.032, abs=0.0006)
    #      1 2 3 4 5 definitely abnormal
    normal, abnormal = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
    rows = [
        (-float(k), pgic)
        for n, pgic in ((abnormal, 1), (normal, 4))
        for k, m in enumerate(n)
        for _ in range(m)
    ]
    assert anchor.minimal_important_change(patients(rows)).auc == pytest.approx(0.893, abs=0.0005)


# S100-beta of 41 patients with a poor and 72 with a good outcome of a brain haemorrhage (Turck
# 2010; pROC's aSAH)
_POOR = """.03 .07 .07 .07 .08 .09 .09 .1 .1 .11 .12 .13 .13 .14 .16 .22 .23 .25 .26 .27 .3 .32 .33 .35 .41 .44 .44 .48 .49
.52 .56 .58 .7 .71 .71 .74 .77 .82 .86 .96 2.07"""
_GOOD = """.04 .04 .04 .04 .04 .05 .05 .05 .06 .06 .07 .07 .07 .07 .07 .07 .08 .08 .08 .08 .08 .08 .09 .09 .09 .09 .09 .09
.1 .1 .1 .1 .1 .1 .1 .11 .11 .11 .11 .13 .13 .13 .14 .14 .14 .14 .15 .15 .15 .15 .16 .16 .16 .17 .17 .18 .19 .19 .24
.28 .32 .33 .34 .38 .43 .45 .46 .47 .47 .48 .5 .5"""


def test_area_and_cut_equal_r_s_proc():
    """pROC's tests: area 0.823679 by grade; as it prints S100-beta: 0.7314, cut 0.205 (here the
    next value seen, 0.22),

    sensitivity 0.6341463 and specificity 0.8055556.
    """
    rows = [(-float(v), pgic) for text, pgic in ((_POOR, 1), (_GOOD, 4)) for v in text.split()]
    found = anchor.minimal_important_change(patients(rows))
    assert found.auc == pytest.approx(0.7314, abs=5e-5)
    assert (found.points, found.n_improved, found.n_not_improved) == (0.22, 41, 72)
    assert (found.sensitivity, found.specificity) == pytest.approx((0.6341463, 0.8055556), abs=5e-8)
    good, poor = (
        (37, 20, 3, 8, 4),
        (2, 12, 1, 8, 18),
    )  # by grade 1 to 5 of the World Federation of Neurosurgeons
    rows = [
        (-float(k), pgic)
        for n, pgic in ((poor, 1), (good, 4))
        for k, m in enumerate(n)
        for _ in range(m)
    ]
    assert anchor.minimal_important_change(patients(rows)).auc == pytest.approx(
        0.823678861788618, abs=1e-14
    )


@pytest.mark.parametrize(
    ("auc", "m", "n"), [(0.893, 51, 58), (0.5, 30, 30), (0.72, 30, 400), (0.05, 31, 90)]
)
def test_area_limits_solve_their_equation(auc, m, n):
    """At each limit |limit - area| = z √(θ(1-θ)(1 + (N-1)((1-θ)/(2-θ) + θ/(1+θ))) / (mn)), N the mean size."""
    for limit in anchor.area_interval([auc], [m], [n]):
        t = limit[0]
        variance = (
            t * (1 - t) * (1 + ((m + n) / 2 - 1) * ((1 - t) / (2 - t) + t / (1 + t))) / (m * n)
        )
        assert abs(t - auc) == pytest.approx(1.959964 * variance**0.5, rel=1e-6)


def test_area_limits_at_the_ends():
    """Groups that do not overlap still leave doubt: 30 and 30, all pairs won, lower limit under
    0.95; null is null.
    """
    lower, upper = anchor.area_interval([1.0, 0.0, float("nan")], [30] * 3, [30] * 3)
    assert (upper[0], lower[1]) == (pytest.approx(1), pytest.approx(0))
    assert 0.9 < lower[0] < 0.95
    assert lower[0] == pytest.approx(1 - upper[1])
    assert np.isnan(lower[2])
    assert np.isnan(upper[2])


@pytest.mark.parametrize("shift", [0, 2, 4])
def test_area_interval_covers(shift):
    """Whole points of an NRS, 40 improved and 60 not, 600 seeded samples: 93 to 99 % of the
    intervals hold the area.
    """
    rng = np.random.default_rng(82)

    def sample(mean, size):
        return np.clip(np.round(rng.normal(mean, 2.5, size)), -4, 10)

    def area(a, b):
        return ((a[:, None] > b) + (a[:, None] == b) / 2).mean()

    truth = area(sample(1 + shift, 4000), sample(1, 4000))
    areas = np.array([area(sample(1 + shift, 40), sample(1, 60)) for _ in range(600)])
    lower, upper = anchor.area_interval(areas, np.full(600, 40), np.full(600, 60))
    assert 0.93 <= ((lower <= truth) & (truth <= upper)).mean() <= 0.99


@pytest.mark.parametrize(
    ("frame", "named", "said"),
    [
        (patients(WORKED), {"better": "down"}, "expected 'lower' or 'higher'"),
        (patients(WORKED), {"min_group": 0}, "expected 1 or more"),
        (patients(WORKED), {"change": "change"}, "found no column 'change' among CHG, PGIC"),
        (patients([(-1.0, 8)]), {}, "found PGIC 8; expected a category from 1"),
        (
            pl.DataFrame({"CHG": ["-1"], "PGIC": [1]}),
            {},
            "column 'CHG' is String; expected numbers",
        ),
    ],
)
def test_nonsense_is_a_usage_error(frame, named, said):
    """A direction, size, column or category that does not exist is named, with what was
    expected.
    """
    with pytest.raises(UsageError, match=said):
        anchor.minimal_important_change(frame, **named)


def test_the_catalogue_calls_it_a_proposal():
    """The metric is published as a proposal, with the size of group that the function needs."""
    metric = METRICS["pgic_anchor_mic"]
    assert metric.verification == "proposal"
    assert f"fewer than {anchor.MIN_GROUP} patients" in metric.rule_by(Options())
