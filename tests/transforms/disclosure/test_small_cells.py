"""Small cells, and what subtraction would give away."""

import time
from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms import disclosure

DIMENSIONS = ["clinic_id", "modality"]


def table(cells):
    """{(clinic, modality): n} with all totals: a row a cell, null = the total."""
    rows = []
    for keep in product((True, False), repeat=2):
        sums = {}
        for key, n in cells.items():
            shown = tuple(k if kept else None for k, kept in zip(key, keep, strict=True))
            sums[shown] = sums.get(shown, 0) + n
        rows += [(*key, n) for key, n in sums.items()]
    schema = {"clinic_id": pl.String, "modality": pl.String, "n": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def hidden(frame, *, counts=("n",), min_cell=5, **given_):
    marks = disclosure.suppressed(
        frame, counts=list(counts), dimensions=DIMENSIONS, min_cell=min_cell, **given_
    )
    return set(frame.filter(marks).select(DIMENSIONS).rows())


def one_way(**clinics):
    return table({(c, "local"): n for c, n in clinics.items()}).filter(pl.col("modality").is_null())


# --- small --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "small"), [(0, False), (1, True), (4, True), (5, False), (None, False)]
)
def test_small_is_1_to_one_below_the_minimum(n, small):
    """A zero is no small cell (no event stays readable), nor is a count that is not known."""
    frame = pl.DataFrame({"n": [n]}, schema={"n": pl.Int64})
    assert frame.select(disclosure.is_small(["n"], min_cell=5)).item() is small


@pytest.mark.parametrize(
    ("x", "n", "small"), [(2, 20, True), (18, 20, True), (10, 20, False), (20, 20, False)]
)
def test_the_other_side_of_a_proportion_is_a_count(x, n, small):
    """18 of 20: the two without are as few as two with."""
    frame = pl.DataFrame({"x": [x], "n": [n]}, schema={"x": pl.Int64, "n": pl.Int64})
    assert (
        frame.select(disclosure.is_small(["n", "x", pl.col("n") - pl.col("x")], min_cell=5)).item()
        is small
    )


# --- complements --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clinics", "expected"),
    [
        ({"A": 20, "B": 30}, set()),
        ({"A": 3, "B": 30, "C": 9}, {"A", "C"}),  # 42 - 39 gives A: the smallest other goes with it
        ({"A": 3, "B": 4, "C": 30}, {"A", "B"}),  # together 7
        (
            {"A": 1, "B": 2, "C": 30, "D": 8},
            {"A", "B", "D"},
        ),  # together 3 would still be a small cell
        ({"A": 3, "B": 30, "C": 0}, {"A", "B"}),  # a zero hides nobody: 30 goes
        ({"A": 0, "B": 30, "C": 0}, set()),
    ],
)
def test_what_a_total_less_its_other_parts_gives_away(clinics, expected):
    """On a line with a hidden part a second one is hidden, until what is hidden adds up to the
    minimum.
    """
    assert {c for c, _ in hidden(one_way(**clinics))} == expected


def test_the_total_is_hidden_where_no_part_is_left():
    """One clinic alone: its total says as much as the clinic."""
    assert hidden(one_way(A=3)) == {("A", None), (None, None)}


def test_a_partner_along_one_dimension_needs_partners_along_the_other():
    """A small cell of a two-way table: a rectangle of four is hidden, so no line has a single
    hidden cell.
    """
    cells = {
        ("A", "x"): 3,
        ("A", "y"): 20,
        ("A", "z"): 50,
        ("B", "x"): 21,
        ("B", "y"): 22,
        ("B", "z"): 50,
        ("C", "x"): 60,
        ("C", "y"): 61,
        ("C", "z"): 62,
    }
    assert hidden(table(cells)) == {("A", "x"), ("A", "y"), ("B", "x"), ("B", "y")}


def solved(frame, marks):
    """Cells that single subtractions reveal, one after another."""
    unknown = {r for r, m in zip(frame.select(DIMENSIONS).rows(), marks, strict=True) if m}
    everything = set(frame.select(DIMENSIONS).rows())
    found = set()
    while True:
        new = set()
        for k in range(2):
            lines = {}
            for cell in everything:
                lines.setdefault(cell[:k] + cell[k + 1 :], []).append(cell)
            for line in lines.values():
                left = [c for c in line if c in unknown - found]
                if len(left) == 1 and len(line) > 1 and any(c[k] is None for c in line):
                    new |= set(left)
        if not new:
            return found
        found |= new


_CELLS = st.dictionaries(
    st.tuples(st.sampled_from("ABCD"), st.sampled_from("xyz")), st.integers(0, 30), min_size=1
)


@settings(max_examples=150)
@given(_CELLS, st.randoms())
def test_no_chain_of_subtractions_reveals_a_hidden_cell(cells, random):
    """Every small cell is hidden; none can be had from the shown ones; order and copies of rows
    change nothing.
    """
    frame = table(cells)
    marks = disclosure.suppressed(frame, counts=["n"], dimensions=DIMENSIONS, min_cell=5)
    assert frame.filter(~marks & pl.col("n").is_between(1, 4)).is_empty()
    assert solved(frame, marks) == set()
    order = random.sample(range(frame.height), frame.height)
    assert hidden(frame[order]) == hidden(frame)
    assert hidden(pl.concat([frame, frame])) == hidden(frame)


def test_rows_of_one_cell_go_together():
    """Two populations of a metric share their patients: what hides one hides the other; another
    metric stays.
    """
    frame = pl.DataFrame(
        {"metric": ["m", "m", "o"], "clinic_id": ["A"] * 3, "modality": [None] * 3, "n": [9, 3, 9]},
        schema_overrides={"modality": pl.String},
    )
    marks = disclosure.suppressed(
        frame, counts=["n"], dimensions=DIMENSIONS, by=["metric"], min_cell=5
    )
    assert marks.to_list() == [True, True, False]


def test_no_rows():
    """An empty frame gives an empty series."""
    marks = disclosure.suppressed(
        one_way(A=1).clear(), counts=["n"], dimensions=DIMENSIONS, min_cell=5
    )
    assert (marks.name, marks.dtype, marks.len()) == ("is_suppressed", pl.Boolean, 0)


def test_a_hundred_thousand_rows_in_seconds():
    """A table of 4 dimensions and 100 metrics is marked within a few seconds."""
    generator = np.random.default_rng(2)
    keys = list(
        product([*"ABCDEFG", None], ["x", "y", "z", None], ["p", "q", "r", None], ["s", "t", None])
    )
    frame = pl.DataFrame(keys, schema=dict.fromkeys("abcd", pl.String), orient="row")
    frame = frame.join(pl.DataFrame({"metric": [f"m{k}" for k in range(260)]}), how="cross")
    frame = frame.with_columns(n=pl.Series(generator.integers(0, 60, frame.height)))
    started = time.perf_counter()
    disclosure.suppressed(frame, counts=["n"], dimensions=list("abcd"), by=["metric"], min_cell=5)
    assert frame.height == 99_840
    assert time.perf_counter() - started < 10


# --- what a summary says of its counts ----------------------------------------------------------


def test_a_known_total_is_a_cell():
    """3 of 60 over all clinics, each clinic with 0 or 5 of 20 else: where the total is small, all
    of its rows go.
    """
    frame = pl.DataFrame(
        {"metric": ["m"] * 3 + ["o"] * 3, "clinic_id": [*"ABC"] * 2, "x": [3, 0, 0, 5, 5, 0]}
    )
    rule = {"counts": ["x"], "dimensions": ["clinic_id"], "by": ["metric"], "min_cell": 5}
    marks = disclosure.Cells(**rule, is_total_known=True).suppressed(frame)
    assert marks.to_list() == [True] * 3 + [False] * 3
    assert (
        disclosure.Cells(**rule).suppressed(frame).to_list() == [True] + [False] * 5
    )  # no total, no complement


def test_what_is_below_none_is_no_count():
    """Patients less procedures is no count of patients where each can have several: -4 hides
    nothing.
    """
    frame = pl.DataFrame({"clinic_id": ["A", "B"], "n": [9, 9], "x": [13, 7]})
    cells = disclosure.Cells(
        counts=["n", "x", pl.col("n") - pl.col("x")], dimensions=["clinic_id"], min_cell=5
    )
    assert cells.counted(frame)["count_2"].to_list() == [0, 2]
    assert cells.suppressed(frame).to_list() == [False, True]


def test_widened_has_the_last_word():
    """A summary may hide more than the marked rows: here all of them."""
    frame = pl.DataFrame({"clinic_id": ["A", "B"], "n": [3, 9]})
    rule = {"counts": ["n"], "dimensions": ["clinic_id"], "min_cell": 5}
    widened = disclosure.Cells(**rule, widened=lambda f: f["is_suppressed"] | True)
    assert disclosure.Cells(**rule).suppressed(frame).to_list() == [True, False]
    assert widened.suppressed(frame).to_list() == [True, True]


@pytest.mark.parametrize(
    ("before", "hidden_now"),
    [
        ((3, 9, 39, 51), {"A", "B"}),  # A and B together are 12 as they were
        (
            (6, 4, 41, 51),
            {"A", "B", "C"},
        ),  # they were 10: two came, so C goes with them; all three are 51 as they were
        ((None, 9, 39, 51), {"A", "B"}),  # nobody ever saw A: the total less C is 12 as it was
        (
            (None, 9, 44, 58),
            {"A", "B", "C"},
        ),  # it was 14: two have left; the total has changed by 7
    ],
)
def test_the_change_of_what_is_hidden_is_a_count(before, hidden_now):
    """A = 3 is hidden and B = 9 its partner; C = 39 and the total are shown, so A and B together
    can be told.
    """
    frame = pl.DataFrame({"clinic_id": [*"ABC", None], "n": [3, 9, 39, 51]})
    marks = disclosure.suppressed(
        frame,
        counts=["n"],
        dimensions=["clinic_id"],
        min_cell=5,
        before=pl.DataFrame({"n": before}),
    )
    assert set(frame.filter(marks)["clinic_id"]) == hidden_now
