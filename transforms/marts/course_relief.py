"""mart.course_relief: of patients with two treatment episodes one after the other, the second one's
change of pain beside the first's, at the same visit.

Here: which episodes make a pair, means and the paired difference. Not here: what an episode is
(rules/episodes.py), who is due (visit_values.py).

A pair is two episodes of a patient in one study (routine care being one), the second being the next
that the patient had at all. The parameter is the first episode's headline pain parameter. Both
changes are each from its own baseline: none of them is an effect, nor is their difference, for who
comes back is no chance selection and the second baseline may lie within the first one's relief.
"""

from collections.abc import Sequence

import polars as pl

from .. import disclosure
from ..facts.headlines import PAIN_PARAMETERS
from ..facts.strata import STORED, Combination
from ..facts.values import ALL
from ..facts.visits import BASELINE, COURSE_VISITS, VISITS
from ..instruments import PARAMETERS
from ..options import Cut, Options
from ..rules import pain
from ..rules.studies import planned_visits
from ..schemas import MART_TABLES
from ..schemas.mart import CELL_DIMENSIONS
from .cohort_estimates import as_mean
from .stamp import stamped
from .strata import COUNTS_ONCE, by_strata, of_episodes
from .visit_values import due_of, people_of, values_of

TABLE = MART_TABLES["course_relief"]
INPUTS = ("mart.adsl", "mart.adqs", "mart.subject_episodes")
METRIC = "course_relief"
MEASURES = ("change_first", "change_second", "difference")
_LEVELS = ("baseline_first", "baseline_second")
NEVER_DUE = "a next episode's baseline began before this visit in all pairs"
NONE_DUE = "no pair of which both windows have closed"
NO_PAIR = "no pair with a change in both episodes"
ONE_PAIR, EQUAL_PAIRS = "one pair: no interval", "all pairs equal: no interval"
_SIDES = ("first", "second")


def compute(
    *,
    adsl: pl.DataFrame,
    adqs: pl.DataFrame,
    subject_episodes: pl.DataFrame,
    options: Options,
    cut: Cut,
    over: Sequence[Combination] = STORED,
) -> pl.DataFrame:
    """A row a parameter, visit and stratum; columns of MART_TABLES["course_relief"]. Empty where
    nobody has a second episode with a pain score.
    """
    people = people_of(adsl, subject_episodes, options=options, episode=ALL)
    pairs = _pairs(people, subject_episodes, adqs)
    visits = _visits(pairs, due_of(people, cut=cut), values_of(adqs))
    if visits.is_empty():
        return TABLE.empty()
    rows = _summed(visits, over=over)
    units = {code: p.unit for code, p in PARAMETERS.items()}
    rows = rows.with_columns(
        cells(options).suppressed(rows),
        unit=pl.col("parameter").replace_strict(units, return_dtype=pl.String),
        metric_id=pl.lit(METRIC),
    )
    return TABLE.conform(stamped(rows, cut=cut)).sort(TABLE.key, nulls_last=False)


def cells(options: Options) -> disclosure.Cells:
    """Pairs with both values, those without, not due and with a baseline in the follow-up."""
    return disclosure.Cells(
        counts=["n_patients", "n_pairs", "n_missing", "n_ended", "n_baseline_in_follow_up"],
        dimensions=CELL_DIMENSIONS,
        by=["parameter", "visit"],
        min_cell=options.min_cell,
    )


def is_released() -> pl.Expr:
    """No row, till a release is solved with these counts among the rest
    (released/counts.py): what they tell together with other tables is not known.
    """
    return pl.lit(False)


def _pairs(people: pl.DataFrame, episodes: pl.DataFrame, adqs: pl.DataFrame) -> pl.DataFrame:
    """A row a pair: the first episode's row of `people` (USUBJID is `first`), `second`, the
    `parameter`, and whether the second baseline lies within the follow-up of the first.

    Where the study is no dimension a patient counts once, with the earliest pair.
    """
    whose = ["STUDYID", "patient_id"]
    numbered = people.filter(pl.col("APERIOD").is_not_null())
    first = numbered.filter(pl.col("APERIOD") == pl.col("APERIOD").min().over(whose))
    overlap = of_episodes(episodes).select(
        second="USUBJID", is_in_follow_up=(pl.col("BLFUPFL") == "Y").fill_null(False)
    )
    second = numbered.select(*whose, second="USUBJID", APERIOD=pl.col("APERIOD") - 1)
    pairs = first.rename({"USUBJID": "first"}).join(second, on=[*whose, "APERIOD"])
    pairs = pairs.join(overlap, on="second").join(_headline(adqs, first), on="first")
    ordered = pairs.sort("patient_id", "APERIOD", "STUDYID")
    return ordered.with_columns(pl.col("patient_id").is_first_distinct().alias(COUNTS_ONCE))


def _headline(adqs: pl.DataFrame, first: pl.DataFrame) -> pl.DataFrame:
    """`first` and the `parameter` that stands for pain in it."""
    own = of_episodes(adqs).join(first.select("USUBJID"), on="USUBJID", how="semi")
    rows = pain.headline(own, parameters=PAIN_PARAMETERS)
    return rows.select(first="USUBJID", parameter="PARAMCD").unique(maintain_order=True)


def _visits(pairs: pl.DataFrame, due: pl.DataFrame, values: pl.DataFrame) -> pl.DataFrame:
    """A row a pair and visit: of each side whether it is due, or was ended before, `baseline_` and
    `change_`; null where one of both changes is.
    """
    frame = pairs.join(_asked(due).rename({"USUBJID": "first"}), on="first")
    for side in _SIDES:
        windows_of = due.select(
            pl.col("USUBJID").alias(side),
            pl.col("is_due").alias(f"due_{side}"),
            pl.col("is_ended").alias(f"ended_{side}"),
            visit="AVISIT",
        )
        of_visit = values.select(
            pl.col("USUBJID").alias(side),
            pl.col("BASE").alias(f"baseline_{side}"),
            pl.col("CHG").alias(f"change_{side}"),
            visit="AVISIT",
            parameter="PARAMCD",
        )
        frame = frame.join(windows_of, on=[side, "visit"], how="left")
        frame = frame.join(of_visit, on=[side, "visit", "parameter"], how="left")
    difference = pl.col("change_second") - pl.col("change_first")
    is_due = (pl.col("due_first") & pl.col("due_second")).fill_null(False)
    frame = frame.with_columns(
        is_due=is_due,
        is_ended=~is_due & (pl.col("ended_first") | pl.col("ended_second")).fill_null(False),
        is_pair=is_due & difference.is_not_null(),
        difference=difference,
    )
    return frame.with_columns(pl.when("is_pair").then(pl.col(*_LEVELS, *MEASURES)))


def _asked(due: pl.DataFrame) -> pl.DataFrame:
    """`USUBJID`, `visit`: COURSE_VISITS, in a study that plans visits of its own these after
    baseline, and the end of the course.
    """
    own = [plan for plan in due["plan"].unique() if planned_visits(plan) != VISITS]
    visit = pl.col("AVISIT")
    is_asked = visit.is_in(COURSE_VISITS) | pl.col("plan").is_in(own).fill_null(False)
    rows = due.filter(is_asked & (visit != BASELINE))
    return rows.select("USUBJID", visit="AVISIT")


def _summed(visits: pl.DataFrame, *, over: Sequence[Combination]) -> pl.DataFrame:
    counts = {
        "n_patients": pl.len(),
        "n_due": pl.col("is_due").sum(),
        "n_ended": pl.col("is_ended").sum(),
        "n_pairs": pl.col("is_pair").sum(),
        "n_baseline_in_follow_up": (pl.col("is_pair") & pl.col("is_in_follow_up")).sum(),
    }
    rows = by_strata(
        visits.sort("first", "visit"),
        over=over,
        by=["parameter", "visit"],
        **{name: count.cast(pl.Int64) for name, count in counts.items()},
        **{level: pl.col(level).mean() for level in _LEVELS},
        **{f"_{name}": pl.col(name).mean() for name in MEASURES},
        **{f"_sd_{name}": pl.col(name).std() for name in MEASURES},
    )
    rows = rows.with_columns(
        n_missing=pl.col("n_due") - pl.col("n_pairs"),
        n_pending=pl.col("n_patients") - pl.col("n_due") - pl.col("n_ended"),
    )
    for name in MEASURES:
        rows = _with_interval(rows, name)
    return rows.with_columns(reason=_reason())


def _with_interval(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Mean and t interval of a measure of the pairs."""
    of_pairs = rows.select(mean=f"_{name}", sd=f"_sd_{name}", n_evaluable="n_pairs")
    made = as_mean(of_pairs).select(
        pl.col("estimate").alias(name),
        pl.col("ci_lower").alias(f"{name}_lower"),
        pl.col("ci_upper").alias(f"{name}_upper"),
    )
    return rows.with_columns(made.get_columns())


def _reason() -> pl.Expr:
    n = pl.col("n_pairs")
    return (
        pl.when((n == 0) & (pl.col("n_ended") == pl.col("n_patients")))
        .then(pl.lit(NEVER_DUE))
        .when((n == 0) & (pl.col("n_due") == 0))
        .then(pl.lit(NONE_DUE))
        .when(n == 0)
        .then(pl.lit(NO_PAIR))
        .when(n == 1)
        .then(pl.lit(ONE_PAIR))
        .when(pl.col("difference_lower").is_null())
        .then(pl.lit(EQUAL_PAIRS))
    )
