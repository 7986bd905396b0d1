"""The restrictions of adverse events: which events a rate is of.

Here: one record each, in the order in which they are offered; the columns that name one in a mart,
and the rows that have it. Not here: counting (marts/adverse_event_cells.py).

A row of a mart of rates has one restriction: of the columns `is_…_only` at most one is true, or
`min_grade` has a value.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from .thresholds import MODERATE_GRADE, SESSION_WINDOW_H, SEVERE_GRADE

GRADE_COLUMN = "min_grade"


@dataclass(frozen=True, kw_only=True)
class Restriction:
    """Events of which `flag`, a column of mart.adae, is Y; or of grade `min_grade` or more; without
    both any event.

    `words`: what people read. `is_of_groups`: mart.adverse_event_groups has it, too.
    """

    id: str
    words: str
    flag: str | None = None
    min_grade: int | None = None
    is_of_groups: bool = False

    @property
    def column(self) -> str | None:
        """The column of a mart of rates that names it; None where it is any event."""
        return f"is_{self.id}_only" if self.flag else GRADE_COLUMN if self.min_grade else None

    def is_met(self) -> pl.Expr:
        """Over rows of mart.adae; never null."""
        if self.flag:
            return (pl.col(self.flag) == "Y").fill_null(False)
        return (
            (pl.col("AETOXGR") >= self.min_grade).fill_null(False)
            if self.min_grade
            else pl.lit(True)
        )


RESTRICTIONS: dict[str, Restriction] = {
    restriction.id: restriction
    for restriction in (
        Restriction(id="any", words="any event", is_of_groups=True),
        Restriction(id="serious", words="serious", flag="AESER", is_of_groups=True),
        Restriction(id="related", words="related", flag="AERELFL", is_of_groups=True),
        Restriction(
            id="treatment_emergent", words="treatment-emergent", flag="TRTEMFL", is_of_groups=True
        ),
        Restriction(
            id="session_emergent",
            words=f"within {SESSION_WINDOW_H} h of a session",
            flag="SESS72FL",
        ),
        Restriction(id="grade_2", words="grade 2 or more", min_grade=MODERATE_GRADE),
        Restriction(id="grade_3", words="grade 3 or more", min_grade=SEVERE_GRADE),
    )
}

# Those of mart.adverse_event_groups, which has no grades but as a grouping.
GROUP_RESTRICTIONS = tuple(r.id for r in RESTRICTIONS.values() if r.is_of_groups)


def flag_columns(names: Iterable[str] | None = None) -> list[str]:
    """The columns `is_…_only` of these restrictions, by default of all."""
    chosen = [RESTRICTIONS[name] for name in (RESTRICTIONS if names is None else names)]
    return [restriction.column for restriction in chosen if restriction.flag]


def key_columns() -> list[str]:
    """The columns that name a row's restriction, in a mart that has all of them."""
    return [*flag_columns(), GRADE_COLUMN]


def spelt_out(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with `key_columns`, by its column `restriction`."""
    name = pl.col("restriction")
    grades = {r.id: r.min_grade for r in RESTRICTIONS.values() if r.min_grade}
    flags = {r.column: name == r.id for r in RESTRICTIONS.values() if r.flag}
    return frame.with_columns(
        **flags, **{GRADE_COLUMN: name.replace_strict(grades, default=None, return_dtype=pl.Int64)}
    )


def rows_of(name: str) -> pl.Expr:
    """The rows of a mart of rates that have this restriction and no other."""
    wanted = RESTRICTIONS[name]
    flags = [pl.col(column) == (column == wanted.column) for column in flag_columns()]
    return pl.all_horizontal(
        *flags, pl.col(GRADE_COLUMN).eq_missing(pl.lit(wanted.min_grade, pl.Int64))
    )


def sql_of(name: str, *, among: Iterable[str] = tuple(RESTRICTIONS)) -> str:
    """`rows_of` as a condition of SQL; `among`: the restrictions that the mart has."""
    wanted, among = RESTRICTIONS[name], tuple(among)
    conditions = [
        f"{column} = {str(column == wanted.column).lower()}" for column in flag_columns(among)
    ]
    if any(RESTRICTIONS[other].min_grade for other in among):
        grade = wanted.min_grade
        conditions.append(f"{GRADE_COLUMN} = {grade}" if grade else f"{GRADE_COLUMN} IS NULL")
    return " AND ".join(conditions)
