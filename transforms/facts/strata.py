"""The dimensions of strata, and which combinations of them are stored.

Here: that, as data. Not here: counting over strata (marts/strata.py), the columns' comments
(schemas/mart/columns.py).

A summary stores the whole, each dimension and each pair of dimensions. What is finer is computed by
the same function when somebody asks for it, and is not for a reader from outside.
"""

from collections.abc import Iterable
from itertools import combinations

# A study's arms are told apart within it alone: study and arm are one dimension of two columns.
STUDY_ARM = "study_arm"
COLUMNS_OF = {
    "clinic_id": ("clinic_id",),
    "modality": ("modality",),
    "indication": ("indication",),
    STUDY_ARM: ("study_id", "arm"),
}
DIMENSIONS = tuple(COLUMNS_OF)
STRATUM_COLUMNS = tuple(column for columns in COLUMNS_OF.values() for column in columns)

MOST_STORED = 2  # dimensions together

Combination = tuple[str, ...]
STORED: tuple[Combination, ...] = tuple(
    combination for size in range(MOST_STORED + 1) for combination in combinations(DIMENSIONS, size)
)
# Of another choice of treatment episodes or strategy than the usual one: what a page shows with one
# filter beside study and arm
STORED_OF_CHOICES = tuple(c for c in STORED if len(c) < MOST_STORED or STUDY_ARM in c)


def combination_of(columns: Iterable[str]) -> Combination:
    """The dimensions of some columns of strata, in their order."""
    named = set(columns)
    return tuple(d for d, of in COLUMNS_OF.items() if named & set(of))
