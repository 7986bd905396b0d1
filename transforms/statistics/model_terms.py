"""The terms of a linear model: which columns of a frame it uses, and whether it can.

Here: the outcome, groups, covariates, factors and interactions, their checks, listwise deletion, the
reference level. Not here: the design matrix (design.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from transforms.errors import UsageError
from transforms.statistics.frames import check_columns


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The columns of a frame that a linear model uses, checked by `complete`."""

    outcome: str
    group: str
    covariates: tuple[str, ...]
    factors: tuple[str, ...]
    interactions: tuple[tuple[str, ...], ...] = ()
    others: tuple[str, ...] = ()
    reference: Mapping[str, object]

    @property
    def used(self) -> tuple[str, ...]:
        names = (self.outcome, self.group, *self.covariates, *self.factors, *self.others)
        return tuple(dict.fromkeys(names))


def terms_of(
    *, outcome, group, covariates=(), factors=(), interactions=(), others=(), reference=None
) -> Terms:
    """`reference`: a level of `group`, or a mapping from column to its reference level.

    `covariates` and `factors`: names, one name, or None. `interactions`: tuples or lists of names,
    or R's words: "a:b", and "a*b", which names a and b as well.
    """
    by_column = (
        reference
        if isinstance(reference, Mapping)
        else {}
        if reference is None
        else {group: reference}
    )
    numbers = names_of(covariates)
    crossed, mains = _interactions(interactions)
    categories = [name for name in (*names_of(factors), *mains) if name not in (group, *numbers)]
    if outcome in (group, *numbers, *categories):
        raise UsageError(f"the outcome {outcome} can't be its own explanation: name another column")
    both = set(numbers) & {group, *names_of(factors)}
    if both:
        raise UsageError(
            f"{', '.join(sorted(both))}: name it among the covariates or as a factor or group, not twice"
        )
    return Terms(
        outcome=outcome,
        group=group,
        covariates=tuple(dict.fromkeys(numbers)),
        factors=tuple(dict.fromkeys(categories)),
        interactions=crossed,
        others=tuple(others),
        reference=dict(by_column),
    )


def names_of(given) -> list[str]:
    """A list of names, one name or None as a list."""
    return (
        []
        if given is None
        else [given]
        if isinstance(given, str)
        else [name for name in given if name is not None]
    )


def _interactions(given) -> tuple[tuple[tuple[str, ...], ...], list[str]]:
    """Each interaction as its names, and the names that an "a*b" adds."""
    listed = names_of(given)
    if len(listed) > 1 and all(
        isinstance(name, str) and not {":", "*"} & set(name) for name in listed
    ):
        listed = [tuple(listed)]  # one interaction, not put in a list
    crossed, mains = [], []
    for term in listed:
        names = (
            tuple(n.strip() for n in term.replace("*", ":").split(":"))
            if isinstance(term, str)
            else tuple(term)
        )
        if len(set(names)) < 2:
            raise UsageError(
                f"interaction {term!r}: give two columns or more, as ('a', 'b') or 'a:b'"
            )
        crossed.append(names)
        mains += names if isinstance(term, str) and "*" in term else ()
    return tuple({frozenset(names): names for names in crossed}.values()), mains


def complete(frame: pl.DataFrame, terms: Terms) -> pl.DataFrame:
    """The rows with a value in every column used; null and NaN (in any column) are missing."""
    _check(frame, terms)
    numbers = (terms.outcome, *terms.covariates)
    values = [pl.col(name).cast(pl.Float64) for name in numbers]
    rows = (
        frame.select(terms.used)
        .with_columns(values)
        .with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None))
    )
    infinite = [name for name in numbers if rows[name].is_infinite().any()]
    if infinite:
        raise UsageError(
            f"{', '.join(infinite)} has an infinite value: give finite numbers, or null where unknown"
        )
    return rows.drop_nulls()


def missing_reference(frame: pl.DataFrame, rows: pl.DataFrame, terms: Terms) -> str | None:
    """Why the complete `rows` of `frame` hold no two groups to compare; None where they do.

    The reference is that of the whole frame: a reference without complete rows is not replaced by
    the next group.
    """
    if rows.is_empty():
        return f"no row has all of {', '.join(terms.used)}"
    reference = reference_level(frame, terms)
    levels = rows[terms.group].unique().sort().to_list()
    if reference not in levels:
        return f"no complete row in the reference group {reference!r} of {terms.group}"
    return (
        None
        if len(levels) > 1
        else f"all complete rows are in group {reference!r} of {terms.group}"
    )


def reference_level(frame: pl.DataFrame, terms: Terms):
    first = frame[terms.group].drop_nulls().unique().sort().to_list()[:1]
    return terms.reference.get(terms.group, *first)


def _check(frame: pl.DataFrame, terms: Terms) -> None:
    check_columns(frame, *terms.used)
    words = [
        name for name in (terms.outcome, *terms.covariates) if not _is_number(frame.schema[name])
    ]
    if words:
        raise UsageError(
            f"{', '.join(words)} must be numbers; name a column of categories in factors instead"
        )
    columns = {terms.group, *terms.covariates, *terms.factors, *terms.others}
    strange = [name for names in terms.interactions for name in names if name not in columns]
    if strange:
        raise UsageError(
            f"interaction of {', '.join(strange)}: name it among group, covariates or factors too"
        )
    for name, level in terms.reference.items():
        if name not in terms.used or (
            name != terms.group and level not in frame[name].unique().to_list()
        ):
            raise UsageError(f"reference {level!r} is not a value of a factor {name}")


def _is_number(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)
