"""What a release of simulated clinics holds: no small count, none that follows from the rest, none
in a share's digits.

Here: every count column of every released table, and a reader who solves for what is hidden.
Not here: single rules (test_release.py, test_small_cells.py, test_as_released.py).
"""

from datetime import UTC, datetime

import polars as pl
import pytest

from ingest.simulate import Plan, simulate
from tests.computed import computed
from tests.transforms.released.hidden_cells import System
from transforms.options import Options
from transforms.released.as_released import as_released, base_of
from transforms.schemas import Outside
from transforms.schemas.app import RELEASED
from transforms.statistics.intervals import clopper_pearson, wilson

OPTIONS = Options()
BASE = base_of(OPTIONS)
LANDED = datetime(2027, 6, 1, tzinfo=UTC)
SERIES = ("telemetry", "readings")
SIDE = ("n_missing", "n_not_evaluable", "n_pending")


@pytest.fixture(scope="module", params=[1, 2], ids=lambda seed: f"seed {seed}")
def world(request):
    """By summary: its rows, and what a first release holds of them; of 300 patients in eight
    clinics and a study.
    """
    plan = Plan(
        patients=300,
        days=200,
        clinics=8,
        seed=request.param,
        study_share=0.3,
        with_readings=False,
        with_telemetry=False,
    )
    records = [record for record in simulate(plan) if record[0].split(".")[1] not in SERIES]
    tables = computed(records, landed=LANDED)
    rows = {name: tables[f"mart.{name}"] for name in RELEASED}
    return {
        name: (frame, as_released(RELEASED[name], frame, options=OPTIONS))
        for name, frame in rows.items()
    }


def test_no_count_below_the_threshold(world):
    """Each count column of each released table has 0, or 5 and more, in whole fives; exactly, some
    of them are 1 to 4.
    """
    exact_small = 0
    for name, (exact, released) in world.items():
        for column in (c.name for c in RELEASED[name].columns if c.outside is Outside.COUNT):
            if (
                name == "clinic_funnel" and column == "denominator"
            ):  # of a ratio: expected events, no count
                released_of = released.filter(pl.col("kind") == "proportion")[column]
            else:
                released_of = released[column]
            values = released_of.drop_nulls()
            assert values.filter((values > 0) & (values < OPTIONS.min_cell)).is_empty(), (
                name,
                column,
            )
            assert values.filter(values % BASE != 0).is_empty(), (name, column)
            exact_small += exact.filter(pl.col(column).is_between(1, 4)).height
    assert exact_small > 1_000


def test_marked_rows_hold_nothing(world):
    """Of a row that is marked the release itself has no count and no figure, so that no reader can
    forget to blank it.
    """
    for name, (_, released) in world.items():
        hidden = released.filter("is_suppressed")
        counted = [c.name for c in RELEASED[name].columns if c.outside is Outside.COUNT]
        assert hidden.select(pl.col(counted).count()).row(0) == (0,) * len(counted), name


def test_a_curve_ends_where_few_are_at_risk(world):
    """Every row shown has at least five at risk, and events and censored in whole fives."""
    exact, released = world["survival_curves"]
    shown = released.filter(~pl.col("is_suppressed"))
    assert shown["at_risk"].min() >= OPTIONS.min_cell
    assert exact["at_risk"].min() == 1
    curve = ["parameter", "clinic_id", "modality", "indication", "study_id", "arm"]
    falls = shown.with_columns(before=pl.col("survival").shift(1, fill_value=1.0).over(curve))
    assert falls.filter(
        (pl.col("survival") < pl.col("before")) & (pl.col("events") < BASE)
    ).is_empty()


# --- a count from a share -----------------------------------------------------------------------


def fits(estimate: float, lower: float, upper: float, most: int = 400) -> set[tuple[int, int]]:
    """All x of n, up to n = `most`, whose share and limits by either method are these."""
    found = set()
    for n in range(1, most):
        x = round(estimate * n)
        if abs(x / n - estimate) < 1e-9:
            for method in (wilson, clopper_pearson):
                limits = method([x], [n])
                if abs(limits.lower[0] - lower) < 1e-9 and abs(limits.upper[0] - upper) < 1e-9:
                    found.add((x, n))
    return found


@pytest.mark.parametrize(
    ("name", "x", "n"),
    [("responder_curves", "x", "n"), ("cohort_outcomes", "n_event", "n_evaluable")],
)
def test_a_share_gives_back_the_rounded_counts_alone(world, name, x, n):
    """From an unrounded share with its interval 3 of 17 follow; from what is released only fives
    do.
    """
    assert fits(3 / 17, *(float(v[0]) for v in clopper_pearson([3], [17])[1:])) == {(3, 17)}
    _, released = world[name]
    shown = released.filter(
        ~pl.col("is_suppressed") & pl.col("ci_lower").is_not_null() & (pl.col(n) > 0)
    )
    if name == "cohort_outcomes":
        people = pl.col("population").is_in(["completers", "missing_as_nonresponder", "patients"])
        shown = shown.filter(people & (pl.col("unit") == "proportion"))
    figures = shown.select("estimate", "ci_lower", "ci_upper").unique(maintain_order=True).head(60)
    assert figures.height > 10
    for figure in figures.iter_rows():
        assert all(x % BASE == 0 and n % BASE == 0 for x, n in fits(*figure)), figure


def test_a_mean_does_not_give_back_its_number(world):
    """Means of whole scores: of the shown ones with at least 20 values, most fit several numbers of
    people within 2.
    """
    exact, released = world["cohort_outcomes"]
    key = [k for k in RELEASED["cohort_outcomes"].key if k != "strata"]
    means = released.filter(pl.col("metric_id") == "nrs7d_change", pl.col("estimate").is_not_null())
    both = means.join(
        exact.select(*key, "strata", n="n_evaluable"), on=[*key, "strata"], nulls_equal=True
    )
    alone = 0
    for estimate, n, width in both.select(
        "estimate", "n", pl.col("ci_upper") - pl.col("ci_lower")
    ).iter_rows():
        step = (width or 0) / 20  # at least: the figure lies within half of it
        possible = [
            m
            for m in range(n - 2, n + 3)
            if m > 0 and abs(round(estimate * m) / m - estimate) <= step + 1e-9
        ]
        alone += possible == [n]
    assert alone <= both.height // 20


# --- linear algebra -----------------------------------------------------------------------------

TABLES = [
    (
        "cohort_outcomes",
        {"metric_id": "nrs7d_pct30", "visit": "Week 8", "population": "completers"},
    ),
    (
        "cohort_outcomes",
        {"metric_id": "nrs7d_change", "visit": "Week 4", "population": "completers"},
    ),
    (
        "cohort_outcomes",
        {"metric_id": "ndi_pct50", "visit": "Week 4", "population": "missing_as_nonresponder"},
    ),
    (
        "cohort_outcomes",
        {"metric_id": "analgesic_use_latest", "visit": None, "population": "patients"},
    ),
    ("reliable_change", {"parameter": "NRS7D", "visit": "Week 8"}),
]
GUARDED = (
    "n_patients",
    "n_evaluable",
    "n_event",
    "n_recovered",
    "n_improved",
    "n_unchanged",
    "n_deteriorated",
)


def system_of(world, name: str, of: dict) -> tuple[System, pl.DataFrame, list[float]]:
    """What a reader has to solve, the released rows, and the truth."""
    exact, released = world[name]
    key = [k for k in RELEASED[name].key if k != "strata"]
    is_it = pl.all_horizontal(pl.col(k).eq_missing(pl.lit(v)) for k, v in of.items())
    order = [pl.col("strata").list.join(","), *key]
    exact, released = (f.filter(is_it).sort(*order, nulls_last=False) for f in (exact, released))
    assert exact.select(key).equals(released.select(key))
    counts = [
        c for c in ("n_patients", "n_due", "n_evaluable", *SIDE, "n_event") if c in exact.columns
    ]
    counts = [c for c in counts if exact[c].null_count() < exact.height]
    system = System(exact, counts)
    guarded = [c for c in GUARDED if c in counts]
    system.know(released, base=BASE, min_cell=OPTIONS.min_cell, guarded=guarded, differences=SIDE)
    system.add_up(["clinic_id", "modality", "indication"], ["study_id", "arm"])
    system.relate("n_patients", "n_due", "n_pending")
    system.relate("n_due", "n_evaluable", "n_missing", "n_not_evaluable")
    truth = [float(v or 0) for row in exact.select(counts).rows() for v in row]
    # a part that has no row at all is one that the reader knows of from elsewhere
    system.equations = [e for e in system.equations if not sum(w * truth[i] for i, w in e.items())]
    if "n_event" in counts:
        system.never_more("n_event", "n_evaluable")
    system.within(["n_evaluable", "n_missing"], released, base=BASE)
    system.within(["n_evaluable", "n_missing", "n_not_evaluable"], released, base=BASE)
    return system, released, truth


@pytest.mark.parametrize(
    ("name", "of"),
    TABLES,
    ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v.values())),
)
def test_no_hidden_count_follows(world, name, of):
    """Bounds by all sums of strata and of a row at once: none of 1 to 4 people is exact, or bounded
    to 1 to 4.

    The equations hold of the exact counts, and leave each of these where it is; with exact sizes of
    all shown rows (as before counts were rounded) hidden ones follow.
    """
    system, _, truth = system_of(world, name, of)
    assert all(
        low <= t <= high for low, t, high in zip(system.lower, truth, system.upper, strict=True)
    )
    system.propagated()
    few = [i for i, t in enumerate(truth) if 1 <= t < OPTIONS.min_cell]
    assert len(few) > 20
    assert [i for i in few if system.lower[i] >= 1 and system.upper[i] < OPTIONS.min_cell] == []
    nearest = sorted(few, key=lambda i: system.upper[i] - system.lower[i])[:12]
    for i, (low, high) in zip(nearest, system.bounds(nearest), strict=True):
        assert low - 1e-6 <= truth[i] <= high + 1e-6
        assert not (low > 1 - 1e-6 and high < OPTIONS.min_cell), (i, low, high)


def test_exact_figures_would_give_hidden_counts_away(world):
    """The check can fail: with the exact counts of the same rows, single subtractions give counts
    of 1 to 4.
    """
    assert any(_given_away(world, name, of) for name, of in TABLES)


def _given_away(world, name, of) -> bool:
    system, released, truth = system_of(world, name, of)
    shown = [v for row in released.select(system.counts).rows() for v in row]
    for i, (t, r) in enumerate(zip(truth, shown, strict=True)):
        if r is not None:
            system.lower[i] = system.upper[i] = t
    system.at_most, system.at_most_limits = [], []
    system.propagated()
    hidden = [i for i, r in enumerate(shown) if r is None and 1 <= truth[i] < OPTIONS.min_cell]
    return any(system.lower[i] == system.upper[i] for i in hidden)
