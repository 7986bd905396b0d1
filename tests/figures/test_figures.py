"""What the comparison of figures says: each kind of difference, and nothing where only the order
differs.

Here: its sentences. Not here: two whole computations (python -m tests.figures).
"""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .comparing import differences

TABLE = pl.DataFrame(
    {"patient": ["P1", "P2", "P2"], "change": [-2.0, None, None], "parts": [[1], [], None]}
)


@given(st.permutations(range(3)), st.permutations(TABLE.columns))
def test_order_is_no_difference(rows, columns):
    """Of rows and of columns."""
    assert list(differences({"mart.m": TABLE}, {"mart.m": TABLE[rows].select(columns)})) == []


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (
            TABLE.with_columns(change=pl.Series([-2.0000001, None, None])),
            ["1 of 3 rows are not as before, 1 of 3 are new"],
        ),
        (
            TABLE.with_columns(change=pl.Series([-2.0, 0.0, None])),
            ["1 of 3 rows are not as before, 1 of 3 are new"],
        ),
        (
            TABLE.with_columns(parts=pl.Series([[1], None, None])),
            ["1 of 3 rows are not as before, 1 of 3 are new"],
        ),
        (TABLE.head(2), ["1 of 3 rows are not as before, 0 of 2 are new"]),
        (pl.concat([TABLE, TABLE.head(1)]), ["0 of 3 rows are not as before, 1 of 4 are new"]),
        (TABLE.drop("parts"), ["gone: column parts"]),
        (TABLE.with_columns(unit=pl.lit("pt"), n=1), ["new: columns unit, n"]),
    ],
    ids=[
        "last digit",
        "null to zero",
        "empty to null",
        "row gone",
        "row twice",
        "column gone",
        "columns new",
    ],
)
def test_each_difference_is_said(after, expected):
    """Rows that changed, came or went are counted and shown; columns that came or went are
    named.
    """
    said = list(differences({"mart.m": TABLE}, {"mart.m": after}))
    assert [
        sentence.removeprefix("mart.m: ")
        for sentence in said
        if not sentence.startswith("mart.m:   ")
    ] == expected


def test_the_middle_of_a_long_list_counts():
    """However many values it has."""
    before, after = [*range(500)], [*range(500)]
    after[250] = -1
    tables = [{"mart.m": pl.DataFrame({"x": [values]})} for values in (before, after)]
    assert next(differences(*tables)) == "mart.m: 1 of 1 rows are not as before, 1 of 1 are new"


def test_a_table_that_came_or_went_is_named():
    """With its rows."""
    assert list(differences({"mart.a": TABLE}, {"mart.b": TABLE})) == [
        "mart.a: gone (3 rows before)",
        "mart.b: new (3 rows)",
    ]
