"""The tables that follow the change, held against a full computation: what `floe materialize --compare`
does.

Here: which tables can be compared, which of their rows differ, what is kept and said of it. Not here:
computing (assets/), when it is done by itself (automation.py), who is told (transforms/alerting).

Each table is computed whole from its inputs as they are stored, as of the data cut in force. Where every
table is what it would be of its stored inputs, all are what a full run would make of raw: the first of
them are computed from raw alone, and each further one from tables of which that is so already. So nothing
is computed twice, and no other lake is needed. Of a table that was left out, and of those that are
computed from it, that is not shown.

Nothing is written but app.comparisons.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from ingest.lake import Lake
from transforms.counting import counted
from transforms.errors import FloeError, UsageError
from transforms.restating.metric_versions import TABLE as METRIC_VERSIONS
from transforms.restating.reasons import TABLE as RESTATEMENTS
from transforms.schemas import APP_TABLES, Table

from .assets.build import Followed
from .assets.order import in_order
from .assets.parts import Part
from .batches import FramesOf
from .cut import DATA_CUT
from .engines import engine, require_usable
from .following import standing
from .one_run import Run
from .resources import in_batches, lake_to_materialize

COMPARISONS = APP_TABLES["comparisons"]
# What earlier runs computed is part of their rows: no full computation of today can give those.
_OF_HISTORY = {METRIC_VERSIONS.full_name, RESTATEMENTS.full_name}
_NEAR = 1e-9  # sums of the same numbers in another order are no other figure
_STORED = "_stored"


def compare_now(settings, *, say: Callable[[str], None]) -> None:
    """Compares all tables once no run is at work, and says what was found. FloeError where a table
    differs, and where none could be compared.
    """
    with Lake.open(settings, read_only=True):
        pass  # refuses where there is no lake, or one of an earlier release: neither is made here
    require_usable(settings)
    with lake_to_materialize(settings, say=say) as lake, engine(settings) as mapped:
        compared = compare(lake, in_batches(mapped))
    for sentence in sentences(compared):
        say(sentence)
    if any(one.rows_differing for one in compared):
        raise FloeError(
            "what differs is not as a full computation has it (app.comparisons names a row of each table): keep a copy of "
            "the lake for whoever looks for the cause (floe backup), then floe materialize --full computes all anew"
        )
    if all(one.skipped_because for one in compared):
        raise FloeError(
            "nothing was compared: no table stands on the data cut in force; floe materialize brings them up to date"
        )


@dataclass(frozen=True)
class Compared:
    """A table that was compared, or `skipped_because` says why not."""

    table: Table
    skipped_because: str | None = None
    rows: int = 0
    rows_differing: int = 0
    example: str | None = None

    @property
    def sentence(self) -> str | None:
        """None of a table that is equal."""
        if self.skipped_because:
            return f"{self.table.full_name} was left out: {self.skipped_because}"
        if not self.rows_differing:
            return None
        rows = counted(self.rows_differing, "row")
        return f"{self.table.full_name} differs: {rows}, of {self.rows:,} in a full computation"


def sentences(compared: list[Compared]) -> list[str]:
    """What differs, what was left out and why, and the sum of it."""
    held = [one for one in compared if not one.skipped_because]
    differing = sum(one.rows_differing > 0 for one in held)
    verdict = f"{differing} not equal" if differing else "all equal"
    listed = [one.sentence for one in compared if one.sentence]
    return [*listed, f"{counted(len(held), 'table')} compared with a full computation: {verdict}"]


def compare(lake: Lake, frames_of: FramesOf | None = None) -> list[Compared]:
    """Compares every table that stands on the data cut in force, and keeps what was found. UsageError
    where there is none yet.
    """
    if lake.table(DATA_CUT.full_name).is_empty():
        raise UsageError(
            "found no data cut, expected tables that were computed: floe materialize computes them"
        )
    run = Run(lake, frames_of)
    compared = [_of(one, run) for one in in_order() if one.table.full_name not in _OF_HISTORY]
    _keep(lake, compared, now=datetime.now(UTC))
    return compared


def _of(one: Followed, run: Run) -> Compared:
    why = _why_left_out(one, run)
    if why:
        return Compared(one.table, skipped_because=why)
    rows, differing = 0, one.table.empty().select(one.table.key)
    for part in one.parts(run, None, is_full=True):
        rows += part.rows.height
        differing.extend(differing_keys(run.lake, one.table, part))
    if meanwhile := _landed_meanwhile(one, run):
        return Compared(one.table, skipped_because=f"changed meanwhile: {meanwhile}")
    example = differing.row(0, named=True) if differing.height else None
    return Compared(
        one.table,
        rows=rows,
        rows_differing=differing.height,
        example=json.dumps(example, default=str) if example else None,
    )


def _why_left_out(one: Followed, run: Run) -> str | None:
    """Why the table need not be what a full computation makes of its inputs as they are stored. That
    something else than a run changed its own rows is no reason: a comparison is there to find that.
    """
    cursor = run.cursors.get(one.table.full_name)
    if cursor and cursor.raw_snapshot != run.cut.lake_snapshot:
        return "it does not stand on the data cut in force"
    stands = standing(
        cursor,
        inputs=_inputs_as_they_are(one),
        changed=run.changed,
        touched_by_others=lambda _: frozenset(),
        cut=run.cut,
        options=run.options,
        follows=one.follows,
    )
    if stands.is_current:
        return None
    return f"changed since: {stands.why}" if stands.changed else stands.why


def _landed_meanwhile(one: Followed, run: Run) -> str:
    """Inputs of raw that changed since the cut, of a table that reads them as they are now."""
    changes = run.lake.changes_by_snapshot(after=run.cut.lake_snapshot)
    changed = frozenset().union(*(names for _, names in changes))
    return ", ".join(n for n in _inputs_as_they_are(one) if n.startswith("raw.") and n in changed)


def _inputs_as_they_are(one: Followed) -> list[str]:
    """Those that it does not read as of the data cut: core reads raw so."""
    return [
        name for name in one.inputs if one.table.schema != "core" or not name.startswith("raw.")
    ]


# --- rows ---------------------------------------------------------------------------------------


def differing_keys(lake: Lake, table: Table, part: Part) -> pl.DataFrame:
    """Keys of rows that the table lacks, has beyond these, has otherwise or has twice."""
    differs, key = lake.difference(table, part.rows, part.keys), list(table.key)
    keys = pl.concat([differs.new.select(key), differs.gone.select(key)]).unique()
    near = _near(table, differs.new, _stored(lake, table, differs.gone.select(key)))
    return keys.join(near, on=key, how="anti", nulls_equal=True).sort(key, nulls_last=True)


def _stored(lake: Lake, table: Table, keys: pl.DataFrame) -> pl.DataFrame:
    """The rows of these keys that the table holds once."""
    same = " AND ".join(f'stored."{c}" IS NOT DISTINCT FROM keys."{c}"' for c in keys.columns)
    statement = f"SELECT stored.* FROM {table.full_name} AS stored SEMI JOIN keys ON {same}"
    return lake.sql(statement, keys=keys).unique(keys.columns, keep="none")


def _near(table: Table, new: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Keys of rows of which nothing differs but floats, and those by next to nothing."""
    key = list(table.key)
    both = new.join(stored, on=key, how="inner", nulls_equal=True, suffix=_STORED)
    others = [c for c in table.columns if c.name not in key and not c.is_stamp]
    are_near = [_is_near(c.name) if c.dtype == pl.Float64 else _is_same(c.name) for c in others]
    return both.filter(*are_near).select(key)


def _is_same(column: str) -> pl.Expr:
    return pl.col(column).eq_missing(pl.col(column + _STORED))


def _is_near(column: str) -> pl.Expr:
    new, stored = pl.col(column), pl.col(column + _STORED)
    is_finite = new.is_finite() & stored.is_finite()
    least = pl.min_horizontal(new.abs(), stored.abs())
    is_near = (new - stored).abs() <= _NEAR * pl.max_horizontal(least, 1.0)
    return _is_same(column) | (is_finite & is_near).fill_null(False)


# --- what is kept -------------------------------------------------------------------------------


def _keep(lake: Lake, compared: list[Compared], *, now: datetime) -> None:
    earlier = {
        row["table_name"]: row for row in lake.table(COMPARISONS.full_name).iter_rows(named=True)
    }
    rows = [_row(one, earlier.get(one.table.full_name, {}), now=now) for one in compared]
    frame = pl.DataFrame(rows, schema=COMPARISONS.polars_schema)
    lake.write(lambda writer: writer.replace(COMPARISONS, frame))


def _row(one: Compared, earlier: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Of a table that was left out what was found last stays: nothing says that it is otherwise."""
    name = one.table.full_name
    if one.skipped_because:
        return {**earlier, "table_name": name, "skipped_because": one.skipped_because}
    return {
        "table_name": name,
        "compared_at": now,
        "rows": one.rows,
        "rows_differing": one.rows_differing,
        "example": one.example,
        "skipped_because": None,
    }
