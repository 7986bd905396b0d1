"""A summary of strata brought forward: only those in which something changed are computed anew.

Here: which strata patients are or were in, the rows of those, and the marks that change with them.
Not here: whom a change touches (orchestration/following.py), counting (each summary), writing
(ingest/lake/writer.py).

A stratum's rows are a function of its patients, but for two things. What a summary says in
`coupled` is of everybody: where it is another, the summary is computed whole. And a mark hides a
row's complement in other strata too: marks are made of all rows together, and a row whose mark
changed is written with its stratum.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import polars as pl

from ..disclosure import Cells
from ..facts.strata import STORED, STRATUM_COLUMNS
from ..facts.values import NONE, UNKNOWN
from ..options import Cut, Options
from ..schemas import MARK, Table
from .stamp import stamped
from .strata import Over, dimensions_of

Tables = Mapping[str, pl.DataFrame]
_CLINICS = ("SITEID", "CLINICID", "clinic_id")
_MODALITIES = ("MODALITY", "modality")
_PATIENTS = ("USUBJID", "patient_id")


def strata_of(patients: pl.DataFrame, *states: Tables) -> pl.DataFrame:
    """A row a clinic, modality, indication, study and arm in which patients (`patient_id`) are, or
    may be: by any record of theirs in any of the states of a summary's inputs.
    """
    return pl.concat(_places(patients, tables) for tables in states).unique()


def _places(patients: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    own = {name: _of(frame, patients) for name, frame in tables.items()}
    people = dimensions_of(own["adsl"]).select(
        "indication", "study_id", "arm", patient_id="USUBJID"
    )
    for column, names in (("clinic_id", _CLINICS), ("modality", _MODALITIES)):
        people = people.join(_values(own.values(), names, column), on="patient_id")
    return people.select(STRATUM_COLUMNS).unique()


def _of(frame: pl.DataFrame, patients: pl.DataFrame) -> pl.DataFrame:
    whose = next((c for c in _PATIENTS if c in frame.columns), None)
    if whose is None:
        return frame.clear()
    return frame.join(patients, left_on=whose, right_on="patient_id", how="semi")


def _values(frames: Iterable[pl.DataFrame], names: tuple[str, ...], column: str) -> pl.DataFrame:
    """`patient_id` and each value of columns that patients have; one that is unknown under every
    name that strata have for it.
    """
    parts = [pl.DataFrame(schema={"patient_id": pl.String, column: pl.String})]
    for frame in frames:
        whose = next((c for c in _PATIENTS if c in frame.columns), None)
        for name in names:
            if whose and name in frame.columns:
                parts.append(
                    frame.select(pl.col(whose).alias("patient_id"), pl.col(name).alias(column))
                )
    values = pl.concat(parts).unique()
    unknown = values.filter(pl.col(column).is_null())
    named = [unknown.with_columns(pl.lit(name).alias(column)) for name in (NONE, UNKNOWN)]
    return pl.concat([values.drop_nulls(column), *named]).unique()


def marks(
    rows: pl.DataFrame, cells: Cells, *, is_released: Callable[[], pl.Expr] | None
) -> pl.Series:
    """`is_suppressed` of all rows of a summary: by the cells of those that a release may hold; the
    others are marked.
    """
    if is_released is None:
        return cells.suppressed(rows)
    numbered = rows.with_row_index("_row")
    released = numbered.filter(is_released())
    shown = released.with_columns(cells.suppressed(released)).filter(~pl.col(MARK))["_row"]
    return (~numbered["_row"].is_in(shown.implode())).alias(MARK)


def by_itself(**_: object) -> list[pl.DataFrame]:
    """`coupled` of a summary of which each stratum is of its own patients alone."""
    return []


class Summary(Protocol):
    """What of `marts.Mart` is needed here."""

    table: Table
    compute: Callable[..., pl.DataFrame]
    cells: Callable[[Options], Cells] | None
    is_released: Callable[[], pl.Expr] | None


def brought_forward(
    summary: Summary,
    *,
    stored: pl.DataFrame,
    touched: pl.DataFrame,
    inputs: Tables,
    options: Options,
    cut: Cut,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of the summary, all of some strata, and those strata: the touched ones, and those of
    which a mark changed. `stored`: its rows as they are; `touched`: of `strata_of`.
    """
    over = Over(STORED, touched)
    rows = summary.compute(**inputs, options=options, cut=cut, over=over)
    rows = rows.join(over.strata(), on=STRATUM_COLUMNS, how="semi", nulls_equal=True)
    others = stored.join(over.strata(), on=STRATUM_COLUMNS, how="anti", nulls_equal=True)
    both = pl.concat([rows, others.select(rows.columns)])
    new = both.with_columns(marks(both, summary.cells(options), is_released=summary.is_released))
    has_other_mark = new[MARK] != both[MARK]
    changed = new.filter(has_other_mark).select(STRATUM_COLUMNS)
    strata = pl.concat([over.strata(), changed]).unique()
    of_strata = new.join(strata, on=STRATUM_COLUMNS, how="semi", nulls_equal=True)
    return summary.table.conform(stamped(of_strata, cut=cut)), strata
