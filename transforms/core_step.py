"""One step of core: a table, what it reads, and how its rows come of that, whole or for some keys.

Here: `CoreStep` and `rows`, which computes one with whatever runs SQL. Not here: the steps that
there are (core.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from .options import Options
from .schemas import Table
from .touching import Touches

Frames = dict[str, pl.DataFrame]
Read = str | Callable[[Options], str]  # a statement, or one that knows a site's options
Query = Callable[..., pl.DataFrame]  # a statement, and frames that it sees by name


@dataclass(frozen=True, kw_only=True)
class CoreStep:
    """One table of core. `inputs` are full names. `keys` are the columns by which a part is
    recomputed, () = never.

    `reads` are the statements whose rows the step needs, by name; `keyed_reads` replace them where
    the relation `keys` is given. Then either `compute(frames, options)` gives the rows, or `sql`
    does, run in the lake with the relation that `relations(frames, options)` gives. `only_with`: the
    input without whose rows the table has none. `touched_by`: which keys the changed rows of an input touch, as recorded; a change of
    any other input touches all. `also_keys`: SQL for the keys that those touch in turn, which it sees
    as the relation `keys`. `read_for`: reads that only one key needs.
    """

    table: Table
    inputs: tuple[str, ...]
    keys: tuple[str, ...] = ()
    reads: dict[str, Read]
    keyed_reads: dict[str, str] = field(default_factory=dict)
    compute: Callable[[Frames, Options], pl.DataFrame] | None = None
    sql: str | None = None
    relations: Callable[[Frames, Options], Frames] | None = None
    only_with: str | None = None
    touched_by: dict[str, tuple[Touches, ...]] = field(default_factory=dict)
    also_keys: str | None = None
    read_for: dict[str, str] = field(default_factory=dict)


def rows(
    step: CoreStep, *, query: Query, options: Options, keys: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The step's table, whole or for some keys; `query(statement, **frames)` runs SQL on the
    lake.
    """
    wanted = None if keys is None else set(keys.to_series().to_list())
    reads = {
        name: read(options) if callable(read) else read
        for name, read in step.reads.items()
        if wanted is None or step.read_for.get(name) in (None, *wanted)
    }
    frames = {
        name: query(sql)
        for name, sql in reads.items()
        if keys is None or name not in step.keyed_reads
    }
    if keys is not None:
        frames |= {name: query(sql, keys=keys.unique()) for name, sql in step.keyed_reads.items()}
    if step.compute is not None:
        return _of_keys(step.compute(frames, options), keys)
    relations = step.relations(frames, options).items()
    return step.table.conform(
        query(step.sql, **{name: _of_keys(frame, keys) for name, frame in relations})
    )


def keys_of(
    step: CoreStep, recorded: pl.DataFrame, *, query: Query, options: Options
) -> pl.DataFrame:
    """The keys that are touched by what was recorded under these: they themselves, and those by
    which core names them.
    """
    if step.also_keys is not None:
        return query(step.also_keys, keys=recorded)
    if step.relations is None:
        return recorded
    frames = {
        name: query(read(options) if callable(read) else read) for name, read in step.reads.items()
    }
    [frame] = step.relations(frames, options).values()
    [key] = step.keys
    named = frame.join(recorded.rename({key: "recorded_id"}), on="recorded_id", how="semi")
    return pl.concat([recorded, named.select(key)]).unique()


def _of_keys(frame: pl.DataFrame, keys: pl.DataFrame | None) -> pl.DataFrame:
    if keys is None:
        return frame
    return frame.join(keys, on=keys.columns, how="semi")


def all_of(full_name: str) -> str:
    schema, name = full_name.split(".")
    return f'SELECT * FROM {schema}."{name}"'
