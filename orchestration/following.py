"""What of a table must be computed anew: by what changed in the lake since it was last computed.

Here: a table's cursor, whether it is current, and the keys of which it is not. Not here: computing
(assets/), which rows differ (ingest/lake/writer.py), what the catalog says (ingest/lake_catalog.py).

A cursor is written in the transaction that writes its table, and what a table is computed from is
written before it: after a crash between any two steps the tables that are behind say so themselves.
With each batch of keys but the last it says that the table is unfinished.
"""

import hashlib
import importlib.metadata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from pathlib import Path

import polars as pl

import transforms
from ingest.lake import Lake, Writer
from transforms.options import Cut, Options
from transforms.rules.time_at_risk import person_time_cut
from transforms.schemas import APP_TABLES
from transforms.touching import Touches

Changed = Callable[[int], frozenset[str] | None]
CURSORS = APP_TABLES["cursors"]
UNFINISHED = (
    ""  # the fingerprint of a table of which some keys are computed anew, the others not yet
)
_LIBRARIES = ("polars", "duckdb", "numpy", "scipy")


@dataclass(frozen=True)
class Cursor:
    """A row of app.cursors."""

    table_name: str
    raw_snapshot: int
    read_at: int
    data_cutoff: datetime
    fingerprint: str
    computed_at: datetime
    rows_changed: int


def write_cursor(writer: Writer, cursor: Cursor) -> None:
    row = CURSORS.conform(pl.DataFrame([{f.name: getattr(cursor, f.name) for f in fields(cursor)}]))
    writer.upsert(CURSORS, row, row.select(CURSORS.key))


@dataclass(frozen=True)
class Standing:
    """How a table stands: `changed` are those of its inputs of which rows changed since it was
    computed, None where it must be computed whole, and `why`. `can_wait`: what it holds is right of
    the cut that it stands on.
    """

    changed: frozenset[str] | None
    why: str = ""
    can_wait: bool = True

    @property
    def is_current(self) -> bool:
        return self.changed == frozenset()


def standing(
    cursor: Cursor | None,
    *,
    inputs: Iterable[str],
    changed: Changed,
    touched_by_others: Changed,
    cut: Cut,
    options: Options,
    follows: str,
) -> Standing:
    """`changed`: which tables changed after a snapshot, None where that is not known any more;
    `touched_by_others`: those that changed without their cursor, as where damaged files were taken
    out. `follows`: "nothing" of the data cut, the "hour" in which it lies, or its "moment".
    """
    if cursor is None:
        return Standing(None, "it was never computed", can_wait=False)
    if cursor.fingerprint == UNFINISHED:
        return Standing(None, "it was not computed to its end", can_wait=False)
    if cursor.fingerprint != fingerprint(options):
        return Standing(None, "the code, a setting or a library changed", can_wait=False)
    if follows != "nothing" and _time(cursor.data_cutoff, follows, options) != _time(
        cut.data_cutoff, follows, options
    ):
        return Standing(None, "time went on")
    landed, told = changed(cursor.raw_snapshot), changed(cursor.read_at)
    if landed is None or told is None:
        return Standing(None, "the snapshots since have expired")
    if cursor.table_name in (touched_by_others(cursor.read_at) or ()):
        return Standing(None, "its own rows were changed by something else", can_wait=False)
    since = {
        name: told if name.partition(".")[0] in ("core", "mart") else landed for name in inputs
    }
    touching = frozenset(name for name, names in since.items() if name in names)
    return Standing(touching, ", ".join(sorted(touching)) or "nothing changed")


def _time(at: datetime, follows: str, options: Options) -> tuple[datetime, ...]:
    if follows == "moment":
        return (at,)
    cut = Cut(lake_snapshot=0, data_cutoff=at)
    return (cut.hour, person_time_cut(options=options, cut=cut))


def has_other_definitions(lake: Lake, options: Options) -> bool:
    """Whether a table was computed by other code, settings or libraries than those in force."""
    rows = lake.rows(f"SELECT DISTINCT fingerprint FROM {CURSORS.full_name}")
    return bool({found for (found,) in rows} - {fingerprint(options)})


def fingerprint(options: Options) -> str:
    """Of all that decides a figure beside the data: the code of `transforms`, a site's options, the
    libraries.
    """
    return _fingerprint(repr(options))


def code_fingerprint() -> str:
    """Of the code and the libraries alone."""
    return _fingerprint("")


@cache
def _fingerprint(options: str) -> str:
    folder = Path(transforms.__file__).parent
    digest = hashlib.blake2b(options.encode(), digest_size=16)
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    for library in _LIBRARIES:
        digest.update(f"{library} {importlib.metadata.version(library)}\0".encode())
    return digest.hexdigest()


# --- keys ---------------------------------------------------------------------------------------


def touched(
    changed: Iterable[str],
    *,
    by: Mapping[str, tuple[Touches, ...]],
    values: Callable[[str, Sequence[str]], pl.DataFrame],
    query: Callable[..., pl.DataFrame],
) -> pl.Series | None:
    """The keys that the changed rows of inputs touch; None where one of them touches all, as one of
    which `by` says nothing does. `values`: of columns of an input, those of its changed rows.
    """
    keys = [_NO_KEYS]
    for name in sorted(changed):
        for touches in by.get(name, (Touches(),)):
            of_one = _touched(name, touches, values=values, query=query)
            if of_one is None:
                return None
            keys.append(of_one)
    return pl.concat(keys).drop_nulls().unique().sort()


_NO_KEYS = pl.Series("key", [], dtype=pl.String)


def _touched(
    name: str,
    touches: Touches,
    *,
    values: Callable[[str, Sequence[str]], pl.DataFrame],
    query: Callable[..., pl.DataFrame],
) -> pl.Series | None:
    """Of one changed input."""
    column, those = touches.part or (None, frozenset())
    columns = [*touches.columns, *([column] if column else [])]
    if not columns:
        return None if touches.is_all else pl.Series("key", [touches.key])
    rows = values(name, columns)
    if column:
        rows = rows.filter(pl.col(column).is_in(sorted(those)))
    if rows.is_empty():
        return _NO_KEYS
    if touches.is_all:
        return None
    if touches.key is not None:
        return pl.Series("key", [touches.key])
    keys = pl.concat([rows[c].cast(pl.String).alias("key") for c in touches.columns]).drop_nulls()
    if touches.through is None or keys.is_empty():
        return keys
    return query(touches.through, touching=keys.unique().to_frame())["key"]
