"""Small cells, what subtraction would give away, and two releases side by side."""

import time
from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms import disclosure
from transforms.errors import UsageError

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
    marks = disclosure.suppressed(frame, counts=list(counts), dimensions=DIMENSIONS, min_cell=min_cell, **given_)
    return set(frame.filter(marks).select(DIMENSIONS).rows())


def one_way(**clinics):
    return table({(c, "local"): n for c, n in clinics.items()}).filter(pl.col("modality").is_null())


# --- small ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "small"), [(0, False), (1, True), (4, True), (5, False), (None, False)])
def test_small_is_1_to_one_below_the_minimum(n, small):
    """A zero is no small cell (no event stays readable), nor is a count that is not known."""
    frame = pl.DataFrame({"n": [n]}, schema={"n": pl.Int64})
    assert frame.select(disclosure.is_small(["n"], min_cell=5)).item() is small


@pytest.mark.parametrize(("x", "n", "small"), [(2, 20, True), (18, 20, True), (10, 20, False), (20, 20, False)])
def test_the_other_side_of_a_proportion_is_a_count(x, n, small):
    """18 of 20: the two without are as few as two with."""
    frame = pl.DataFrame({"x": [x], "n": [n]}, schema={"x": pl.Int64, "n": pl.Int64})
    assert frame.select(disclosure.is_small(["n", "x", pl.col("n") - pl.col("x")], min_cell=5)).item() is small


# --- complements ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clinics", "expected"),
    [
        ({"A": 20, "B": 30}, set()),
        ({"A": 3, "B": 30, "C": 9}, {"A", "C"}),  # 42 - 39 gives A: the smallest other goes with it
        ({"A": 3, "B": 4, "C": 30}, {"A", "B"}),  # together 7
        ({"A": 1, "B": 2, "C": 30, "D": 8}, {"A", "B", "D"}),  # together 3 would still be a small cell
        ({"A": 3, "B": 30, "C": 0}, {"A", "B"}),  # a zero hides nobody: 30 goes
        ({"A": 0, "B": 30, "C": 0}, set()),
    ],
)
def test_what_a_total_less_its_other_parts_gives_away(clinics, expected):
    """On a line with a hidden part a second one is hidden, until what is hidden adds up to the minimum."""
    assert {c for c, _ in hidden(one_way(**clinics))} == expected


def test_the_total_is_hidden_where_no_part_is_left():
    """One clinic alone: its total says as much as the clinic."""
    assert hidden(one_way(A=3)) == {("A", None), (None, None)}


def test_a_partner_along_one_dimension_needs_partners_along_the_other():
    """A small cell of a two-way table: a rectangle of four is hidden, so no line has a single hidden cell."""
    cells = {("A", "x"): 3, ("A", "y"): 20, ("A", "z"): 50, ("B", "x"): 21, ("B", "y"): 22, ("B", "z"): 50,
             ("C", "x"): 60, ("C", "y"): 61, ("C", "z"): 62}  # fmt: skip
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


_CELLS = st.dictionaries(st.tuples(st.sampled_from("ABCD"), st.sampled_from("xyz")), st.integers(0, 30), min_size=1)


@settings(max_examples=150, deadline=None)
@given(_CELLS, st.randoms())
def test_no_chain_of_subtractions_reveals_a_hidden_cell(cells, random):
    """Every small cell is hidden; none can be had from the shown ones; order and copies of rows change nothing."""
    frame = table(cells)
    marks = disclosure.suppressed(frame, counts=["n"], dimensions=DIMENSIONS, min_cell=5)
    assert frame.filter(~marks & pl.col("n").is_between(1, 4)).is_empty()
    assert solved(frame, marks) == set()
    order = random.sample(range(frame.height), frame.height)
    assert hidden(frame[order]) == hidden(frame)
    assert hidden(pl.concat([frame, frame])) == hidden(frame)


def test_rows_of_one_cell_go_together():
    """Two populations of a metric share their patients: what hides one hides the other; another metric stays."""
    frame = pl.DataFrame({"metric": ["m", "m", "o"], "clinic_id": ["A"] * 3, "modality": [None] * 3, "n": [9, 3, 9]},
                         schema_overrides={"modality": pl.String})  # fmt: skip
    marks = disclosure.suppressed(frame, counts=["n"], dimensions=DIMENSIONS, by=["metric"], min_cell=5)
    assert marks.to_list() == [True, True, False]


def test_no_rows():
    """An empty frame gives an empty series."""
    marks = disclosure.suppressed(one_way(A=1).clear(), counts=["n"], dimensions=DIMENSIONS, min_cell=5)
    assert (marks.name, marks.dtype, marks.len()) == ("is_suppressed", pl.Boolean, 0)


def test_a_hundred_thousand_rows_in_seconds():
    """A table of 4 dimensions and 100 metrics is marked within a few seconds."""
    generator = np.random.default_rng(2)
    keys = list(product([*"ABCDEFG", None], ["x", "y", "z", None], ["p", "q", "r", None], ["s", "t", None]))
    frame = pl.DataFrame(keys, schema=dict.fromkeys("abcd", pl.String), orient="row")
    frame = frame.join(pl.DataFrame({"metric": [f"m{k}" for k in range(260)]}), how="cross")
    frame = frame.with_columns(n=pl.Series(generator.integers(0, 60, frame.height)))
    started = time.perf_counter()
    disclosure.suppressed(frame, counts=["n"], dimensions=list("abcd"), by=["metric"], min_cell=5)
    assert frame.height == 99_840
    assert time.perf_counter() - started < 10


# --- two releases ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "marked"),
    [(10, 10, False), (10, 11, True), (10, 14, True), (10, 15, False), (10, 7, True), (None, 10, False)],
)
def test_a_change_of_a_few_people_is_given_away(before, now, marked):
    """Two releases differ by 1 to 4: hidden; by 5, not at all, or a new cell: shown."""
    previous = pl.DataFrame({"clinic_id": ["A"], "n": [before]}).drop_nulls("n").cast({"n": pl.Int64})
    current = pl.DataFrame({"clinic_id": ["A"], "n": [now]})
    marks = disclosure.differencing(previous, current, keys=["clinic_id"], counts=["n"], min_cell=5)
    assert marks.to_list() == [marked]


def test_a_hidden_cell_is_compared_with_what_was_last_seen_of_it():
    """10, 12 (hidden), 13 (hidden), 15 (shown: 5 more than 10), with the complements of each release."""
    seen = one_way(A=10, B=40, C=50).with_columns(is_suppressed=pl.lit(False))
    rule = {"keys": DIMENSIONS, "counts": ["n"]}
    state = disclosure.released(seen.clear().select(*DIMENSIONS, "n"), seen, **rule)
    history = []
    for a in (12, 13, 15):
        current = one_way(A=a, B=40, C=50)
        also = disclosure.differencing(state, current, **rule, min_cell=5)
        marks = disclosure.suppressed(current, counts=["n"], dimensions=DIMENSIONS, min_cell=5, also=also)
        current = current.with_columns(marks)
        history.append({c for c, _ in current.filter("is_suppressed").select(DIMENSIONS).rows()})
        state = disclosure.released(state, current, **rule)
    # the total changes with A, so it is hidden too: A and the total are the two of their line
    assert history == [{"A", None}, {"A", None}, set()]
    assert dict(state.filter(pl.col("clinic_id").is_not_null()).select("clinic_id", "n").rows()) == {
        "A": 15, "B": 40, "C": 50}  # fmt: skip


def test_keys_that_do_not_identify_a_row_are_refused():
    """Two rows of one key can't be compared: the message names the keys."""
    twice = pl.DataFrame({"clinic_id": ["A", "A"], "n": [1, 2]})
    with pytest.raises(UsageError, match="clinic_id"):
        disclosure.differencing(twice, twice, keys=["clinic_id"], counts=["n"], min_cell=5)
