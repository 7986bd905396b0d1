"""A stratum that a page asks of a summary.

Here: which it is, as a condition on stored rows. Not here: what is chosen (filters.py), computing
one that is not stored (finer.py).
"""

from dataclasses import dataclass

from transforms.facts.strata import COLUMNS_OF, STORED, Combination

NOT_RELEASED = (
    "Readers from outside see what is released: one filter at most beside study and arm. "
    "Clear the other filters."
)
FIRST_IS_RELEASED = (
    "Readers from outside see each patient's first treatment episode, with the usual strategy for "
    "what happens in between."
)


@dataclass(frozen=True)
class Stratum:
    """`combination`: the dimensions in force; `values`: column and value of those that have one; by
    the others it is split.
    """

    combination: Combination
    values: tuple[tuple[str, str], ...] = ()

    @property
    def is_stored(self) -> bool:
        return self.combination in STORED

    def condition(self, *, after: int = 0) -> tuple[str, list]:
        """SQL condition and parameters of its rows; numbered `after` so many parameters."""
        conditions = [
            f"strata = ${after + 1}",
            *(f'"{column}" = ${k}' for k, (column, _) in enumerate(self.values, after + 2)),
        ]
        return " AND ".join(conditions), [self.combination, *(value for _, value in self.values)]


def stratum(dimensions: dict[str, str], *split_by: str) -> Stratum:
    """Of the chosen values of columns, split further by some columns: an arm each is of the study."""
    combination = tuple(
        d
        for d, columns in COLUMNS_OF.items()
        if any(c in dimensions or c in split_by for c in columns)
    )
    fixed = [
        c
        for d in combination
        for c in COLUMNS_OF[d]
        if c in dimensions and not (c == "arm" and c in split_by)
    ]
    return Stratum(combination, tuple((c, dimensions[c]) for c in fixed))
