"""A release: what readers from outside the clinic are shown of a summary until the next one.

Here: which rows a release holds back since subtraction from an earlier one would give a few people
away, and what has been shown once it is out. Not here: small cells and their complements
(small_cells.py), when a release is made and where it is kept (orchestration/releases.py).

A row is held back where one of its counts differs by 1 to `min_cell` - 1 from what any earlier
release showed of it, not only the last: two releases far apart can be subtracted as well. So the
counts ever shown of a cell lie at least `min_cell` apart, and there are few of them.
"""

import polars as pl

from .small_cells import Cells, is_small

SEEN = pl.Schema({"cell": pl.String, "counts": pl.List(pl.Float64), "release_id": pl.Int64})


def release(
    rows: pl.DataFrame,
    *,
    cells: Cells,
    key: tuple[str, ...],
    previous: pl.DataFrame,
    seen: pl.DataFrame,
    number: int,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`rows` of a summary with the release's `is_suppressed`, and the `seen` of the next one.

    `rows` have `is_suppressed` already: what it marks stays marked. `previous`: the rows of the
    last release (none before the first). `seen`: one row per cell and counts that any release has
    shown, columns of SEEN.
    """
    now = _with_cell(rows, cells=cells, key=key)
    also = differencing(seen, now, min_cell=cells.min_cell)
    also |= pl.concat([rows["is_suppressed"], also.slice(rows.height)])
    before = _before(seen, now, previous=cells.counted(previous)) if number > 1 else None
    marks = cells.marked(now.drop("cell"), also=also, before=before)
    of_rows = cells.suppressed(rows, marks=marks)
    marks = pl.concat([of_rows, marks.slice(rows.height)])
    return rows.with_columns(of_rows), _seen(seen, now.filter(~marks), number=number)


def differencing(seen: pl.DataFrame, now: pl.DataFrame, *, min_cell: int) -> pl.Series:
    """One boolean per row of `now` (`cell`, `count_0`…): beside what was `seen` of the cell it
    would give away a few people.

    Where a count differs by 1 to `min_cell` - 1 from any that was shown; unchanged and new cells
    are not marked.
    """
    pairs = now.with_row_index("row").join(seen, on="cell")
    shown = pl.col("counts").list
    changes = [
        (pl.col(c) - shown.get(k, null_on_oob=True)).abs() for k, c in enumerate(_counts(now))
    ]
    marked = pairs.filter(is_small(changes, min_cell=min_cell))["row"]
    return now.with_row_index("row").select(is_differencing=pl.col("row").is_in(marked.implode()))[
        "is_differencing"
    ]


def _counts(counted: pl.DataFrame) -> list[str]:
    return [c for c in counted.columns if c.startswith("count_")]


def _with_cell(rows: pl.DataFrame, *, cells: Cells, key: tuple[str, ...]) -> pl.DataFrame:
    """`cells.counted(rows)` with `cell`: the row's key as JSON, of a known total what it is the
    total of.
    """
    counted = cells.counted(rows)
    of_rows = rows.select(cell=pl.struct(key).struct.json_encode())["cell"]
    if counted.height == rows.height:
        return counted.with_columns(of_rows)
    totals = (
        counted.slice(rows.height)
        .select("total " + pl.struct("^by_.*$").struct.json_encode())
        .to_series()
    )
    return counted.with_columns(pl.concat([of_rows, totals]))


def _before(seen: pl.DataFrame, now: pl.DataFrame, *, previous: pl.DataFrame) -> pl.DataFrame:
    """A column a count: what was last shown of each row of `now`; 0 of a cell that was not there,
    null of a hidden one.
    """
    last = (
        seen.sort("release_id")
        .unique("cell", keep="last", maintain_order=True)
        .select("cell", last="counts")
    )
    place = [c for c in previous.columns if not c.startswith("count_")]
    there = previous.select(place).unique().with_columns(was_there=True)
    joined = now.join(last, on="cell", how="left", maintain_order="left")
    joined = joined.join(there, on=place, how="left", nulls_equal=True, maintain_order="left")
    return joined.select(
        pl.when(pl.col("was_there"))
        .then(pl.col("last").list.get(k, null_on_oob=True))
        .otherwise(0.0)
        .alias(c)
        for k, c in enumerate(_counts(now))
    )


def _seen(seen: pl.DataFrame, shown: pl.DataFrame, *, number: int) -> pl.DataFrame:
    counts = pl.concat_list(_counts(shown)).cast(pl.List(pl.Float64))
    new = shown.select("cell", counts=counts, release_id=pl.lit(number, pl.Int64))
    both = pl.concat([seen.select(SEEN.names()), new])
    return both.group_by("cell", "counts", maintain_order=True).agg(pl.col("release_id").max())
