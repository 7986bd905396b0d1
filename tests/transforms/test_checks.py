"""A table's own schema, checked on its rows."""

import polars as pl

from transforms.checks import CHECKS, check_table
from transforms.schemas import Column, Table

TABLE = Table(
    "mart",
    "example",
    "An example.",
    (
        Column("id", pl.String, "id", required=True),
        Column("group", pl.List(pl.String), "list in the key"),
        Column("kind", pl.String, "kind", closed=("a", "b")),
        Column("share", pl.Float64, "share", lower=0, upper=1),
    ),
    ("id", "group"),
)


def rows(*tuples) -> pl.DataFrame:
    return pl.DataFrame(list(tuples), schema=TABLE.polars_schema, orient="row")


def failing(frame: pl.DataFrame) -> dict[str, int]:
    failed = check_table(TABLE, frame).filter(~pl.col("is_passed"))
    return dict(failed.select("check", "failing_rows").iter_rows())


def test_good_rows_pass_every_check():
    """Nulls of optional columns, range limits and the same id with another list are all in
    order.
    """
    frame = rows(("x", ["g"], "a", 0.0), ("x", [], None, 1.0), ("y", None, "b", None))
    assert failing(frame) == {}
    assert check_table(TABLE, frame).height == len(CHECKS)


def test_empty_frame_passes():
    """A table without rows breaks no promise."""
    assert failing(rows()) == {}


def test_each_kind_of_failure_is_counted_and_shown():
    """Both rows of a doubled key fail; a null id, an unknown kind and a share above 1 fail once
    each.
    """
    frame = rows(("x", ["g"], "a", 0.5), ("x", ["g"], "a", 0.5), (None, None, "c", 1.1))
    assert failing(frame) == {
        "key_is_unique": 2,
        "required_is_present": 1,
        "closed_lists_hold": 1,
        "ranges_hold": 1,
    }
    samples = check_table(TABLE, frame)["sample"].to_list()
    assert samples[0] == '{"id": "x", "group": ["g"]}'
