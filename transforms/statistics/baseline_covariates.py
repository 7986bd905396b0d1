"""What a comparison of groups is adjusted for when baseline values are missing: one rule for each
kind of comparison.

Here: which covariates and factors enter a model, imputed how, and what is said about it. Not here:
the models (models, mmrm), which columns a comparison offers (the marts).

- Randomised groups: everybody is in. A number missing in some is imputed by its mean over all groups, with an indicator
  of being missing beside it; a factor has a level of its own for the missing. That is valid because
  nothing measured before allocation differs between the groups but by chance (White & Thompson 2005
  Stat Med 24:993), and not otherwise.
- Other groups: a covariate or factor that is missing in anybody compared is not used.

The rule looks at baseline values alone, never at an outcome.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

MISSING = "(missing)"


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """`rows` with what the model needs in them; `covariates`, `factors`: its columns; `indicators`:
    those of the covariates that are 1 where another was imputed; `names`: in words what is adjusted
    for; `notes`: what was done.
    """

    rows: pl.DataFrame
    covariates: list[str]
    factors: list[str]
    indicators: dict[str, str]
    names: list[str]
    notes: list[str]


def adjustment(
    rows: pl.DataFrame,
    *,
    people: pl.DataFrame,
    person: str,
    covariates: Mapping[str, str],
    factors: Mapping[str, str],
    is_randomised: bool,
    min_count: int = 1,
) -> Adjustment:
    """The covariates (numbers) and factors that vary among the people of `rows`, complete.

    `rows`: one or more rows a `person`, each with that person's baseline values. `covariates`,
    `factors`: column to its name in words. `people`: a row for everybody of the groups compared,
    with a value at the visit or without: what is missing in one of them is not used where groups
    were not randomised. `min_count`: the smallest number of people that notes may tell.
    """
    numbers = [pl.col(name).cast(pl.Float64).fill_nan(None) for name in covariates]
    rows = rows.with_columns(numbers)
    if is_randomised:
        rows, indicators, notes = _imputed(
            rows, rows.unique(person), covariates=covariates, factors=factors, min_count=min_count
        )
    else:
        indicators, people = {}, people.with_columns(numbers)
        incomplete = {c: n for c, n in (covariates | factors).items() if people[c].null_count()}
        missing = {
            name: number(people[c].null_count(), least=min_count) for c, name in incomplete.items()
        }
        notes = [f"{name} not used: missing in {some}" for name, some in missing.items()]
        covariates = {c: n for c, n in covariates.items() if c not in incomplete}
        factors = {c: n for c, n in factors.items() if c not in incomplete}
    varying = [c for c in (*covariates, *factors) if rows[c].n_unique() > 1]
    used = [c for c in covariates if c in varying]
    return Adjustment(
        rows=rows,
        covariates=[*used, *(i for i in indicators if indicators[i] in used)],
        factors=[c for c in factors if c in varying],
        indicators={i: c for i, c in indicators.items() if c in used},
        names=[(covariates | factors)[c] for c in varying],
        notes=notes,
    )


def number(count: int, *, least: int) -> str:
    """A number of people in words that tell none below `least`."""
    if count >= least:
        return str(count)
    return f"fewer than {least}"


def _imputed(
    rows: pl.DataFrame,
    of_rows: pl.DataFrame,
    *,
    covariates: Mapping[str, str],
    factors: Mapping[str, str],
    min_count: int,
) -> tuple[pl.DataFrame, dict[str, str], list[str]]:
    """`rows` without a missing value, the indicators (to what they tell of), and notes; the mean is
    over persons.
    """
    indicators, notes = {}, []
    for column, name in covariates.items():
        missing = of_rows[column].null_count()
        if missing in (0, of_rows.height):
            continue
        indicator = f"{column}_is_missing"
        indicators[indicator] = column
        notes.append(
            f"{name} missing in {number(missing, least=min_count)}: imputed by its mean, with an indicator"
        )
        is_missing = pl.col(column).is_null().cast(pl.Float64).alias(indicator)
        rows = rows.with_columns(is_missing, pl.col(column).fill_null(of_rows[column].mean()))
    for column, name in factors.items():
        missing = of_rows[column].null_count()
        if missing:
            notes.append(
                f"{name} missing in {number(missing, least=min_count)}: a level of its own"
            )
    filled = [pl.col(column).cast(pl.String).fill_null(MISSING) for column in factors]
    return rows.with_columns(filled), indicators, notes
