"""mart.important_change: the improvement that a stratum's own patients call much improved, beside
the published one.

Here: the PGIC-anchored cut of every parameter, stratum and visit, of the patients due. Not here:
the cut itself (anchor), the responder rules that use the published number (pain, cohort_outcomes).

A patient's change and global impression are those that count for the same visit.
"""

from collections.abc import Sequence

import polars as pl

from .. import disclosure
from ..facts.mobility_parameters import CHANGE_VERIFICATION, PERFORMANCE_TESTS, WEEKLY_PARAMETERS
from ..facts.parameter_metrics import RULE_SOURCES
from ..facts.parameters import PARAMETERS
from ..facts.strata import STORED, STRATUM_COLUMNS, Combination
from ..facts.values import ALL, FIRST
from ..options import Cut, Options
from ..rules import measurement_error, pain, windows
from ..schemas import MART_TABLES
from ..schemas.mart import CELL_DIMENSIONS
from ..statistics import anchor
from .by_stratum import by_itself
from .stamp import stamped
from .strata import by_strata
from .visit_values import due_of, people_of, values_of

TABLE = MART_TABLES["important_change"]
INPUTS = ("mart.adsl", "mart.adqs", "mart.adact", "mart.subject_episodes")
coupled = by_itself
METRIC = "pgic_anchor_mic"
ANCHOR = "PGIC"
_BY = ["parameter", "visit"]
_CELL = [*STRATUM_COLUMNS, *_BY]


def compute(
    *,
    adsl,
    adqs,
    adact,
    subject_episodes,
    options: Options,
    cut: Cut,
    over: Sequence[Combination] = STORED,
    episode: str = FIRST,
) -> pl.DataFrame:
    """A row a parameter, visit and stratum with a change; columns of
    MART_TABLES["important_change"].
    """
    people = people_of(adsl, subject_episodes, options=options, episode=episode)
    due = due_of(people, cut=cut).filter("is_due")
    published = published_changes(options=options)
    changes = _changes(values_of(adqs, adact), published).join(due, on=["USUBJID", "AVISIT"])
    if changes.is_empty():
        return TABLE.empty()
    changes = changes.rename({"PARAMCD": "parameter", "AVISIT": "visit"})
    paired = changes.filter(pl.col("is_improved").is_not_null())
    counts = by_strata(paired, over=over, by=[*_BY, "improvement"], **anchor.by_side())
    figures = anchor.cuts(counts, by=_CELL, min_group=options.anchor_min_group)
    sizes = {
        "n_changes": pl.len().cast(pl.Int64),
        "n_without_pgic": pl.col("is_improved").null_count().cast(pl.Int64),
    }
    rows = (
        by_strata(changes, over=over, by=_BY, **sizes)
        .join(figures, on=_CELL, how="left", nulls_equal=True)
        .join(published, on="parameter")
    )
    rows = _with_interval(rows, are_independent=episode != ALL)
    rows = rows.with_columns(
        cells(options).suppressed(rows),
        pl.col("n_improved", "n_not_improved").fill_null(0),
        metric_id=pl.lit(METRIC),
        anchored_change="points",
        anchored_change_least=pl.col("tied_points").list.min(),
        reason=pl.coalesce(
            "reason", pl.when(pl.col("n_improved").is_null()).then(pl.lit(_NO_ANSWER))
        ),
    )
    return TABLE.conform(stamped(rows, cut=cut)).sort(TABLE.key, nulls_last=False)


def cells(options: Options) -> disclosure.Cells:
    counts = ["n_changes", "n_improved", "n_not_improved", "n_without_pgic"]
    return disclosure.Cells(
        counts=counts, dimensions=CELL_DIMENSIONS, by=_BY, min_cell=options.min_cell
    )


_NO_ANSWER = "no global impression (PGIC) at the visit"


def _changes(values: pl.DataFrame, published: pl.DataFrame) -> pl.DataFrame:
    """A row a patient, parameter and visit with a change: `improvement`, and `is_improved` by the
    PGIC of that visit.
    """
    answers = values.filter((pl.col("PARAMCD") == ANCHOR) & pl.col("AVAL").is_not_null())
    answers = answers.select("USUBJID", "AVISIT", is_improved=anchor.is_improved(pl.col("AVAL")))
    changed = values.filter(pl.col("CHG").is_not_null() & (pl.col("AVISIT") != windows.BASELINE))
    changed = changed.join(published.select(PARAMCD="parameter", better="direction"), on="PARAMCD")
    gain = anchor.improvement(pl.col("CHG"), better=pl.col("better"))
    changed = changed.select("USUBJID", "PARAMCD", "AVISIT", improvement=gain)
    return changed.join(answers, on=["USUBJID", "AVISIT"], how="left")


def _with_interval(rows: pl.DataFrame, *, are_independent: bool) -> pl.DataFrame:
    """The rows with the limits of the area under the curve: none where a patient may have several
    changes, which they take for those of several patients.
    """
    counts = (
        rows.select("auc", "n_improved", "n_not_improved").cast(pl.Float64).fill_null(float("nan"))
    )
    lower, upper = anchor.area_interval(*(counts[c].to_numpy() for c in counts.columns))
    limits = pl.DataFrame({"auc_lower": lower, "auc_upper": upper}).fill_nan(None)
    return rows.with_columns(limits.select(pl.when(are_independent).then(pl.all())))


def published_changes(*, options: Options) -> pl.DataFrame:
    """A row a parameter with a better direction: `unit`, `direction`, and its important change from
    the literature (or the site's setting) with source and verification, null where none is
    known.
    """
    scores = [_of_score(code, options=options) for code in measurement_error.OF_CHANGE]
    mobility = [
        (
            p.code,
            p.unit,
            p.direction,
            p.change,
            p.change and p.source,
            p.change and CHANGE_VERIFICATION,
        )
        for p in (*WEEKLY_PARAMETERS, *PERFORMANCE_TESTS)
        if p.direction != "none"
    ]
    names = (
        "parameter",
        "unit",
        "direction",
        "published_change",
        "published_source",
        "published_verification",
    )
    schema = dict.fromkeys(names, pl.String) | {"published_change": pl.Float64}
    return pl.DataFrame([*scores, *mobility], schema=schema, orient="row")


def _of_score(code: str, *, options: Options) -> tuple:
    parameter = PARAMETERS[code]
    source, verification = RULE_SOURCES.get(parameter.points_option, (None, None))
    named = measurement_error.setting_or(parameter.points_option, options, source)
    verification = verification if named == source else "proposal"
    points = pain.points_of(parameter, options=options)
    return (code, parameter.unit, parameter.better, points, named, verification)
