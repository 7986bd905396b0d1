"""The registry of core tables: from which rows each is computed, and by what.

Here: `CORE`, one entry a table of `core`, in an order that the inputs allow, and `rows`, which computes one with
whatever runs SQL. Not here: the rules (current, activity, telemetry, mobility) and when this runs (orchestration).

A step is a function of a set of keys. Without keys it computes the whole table; with keys (a frame of the columns
`CoreStep.keys`) the rows of those alone, which then replace the rows of those keys. When merged patients change, the
keys are those of every record of the patients concerned.

Statements name a raw table as `FROM raw.X` or `JOIN raw.X` without an alias, so that whoever runs them can have it
stand still at a snapshot. A frame is read once in a statement: DuckDB 1.5.5 crashes on one that is scanned twice.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import polars as pl

from . import activity, current, mobility, plausibility, telemetry
from .likely_doubles import likely_doubles
from .options import Options
from .schemas import CORE_RECORDS, CORE_TABLES, RAW_TABLES, TOPIC_BY_NAME, Table

Frames = dict[str, pl.DataFrame]
Query = Callable[..., pl.DataFrame]  # a statement, and frames that it sees by name

# These are whole for every patient and site, small, and what the others join: they are always computed whole.
REGISTERS = ("clinics", "devices", "protocols", "patient_status", "patients")


@dataclass(frozen=True, kw_only=True)
class CoreStep:
    """One table of core. `inputs` are full names. `keys` are the columns by which a part is recomputed, () = never.

    `reads` are the statements whose rows the step needs, by name; `keyed_reads` replace them where the relation
    `keys` is given. Then either `compute(frames, options)` gives the rows, or `sql` does, run in the lake with the
    relations that `relations(frames)` gives, for at most `batch` keys at a time (null = all at once).
    """

    table: Table
    inputs: tuple[str, ...]
    keys: tuple[str, ...] = ()
    reads: dict[str, str]
    keyed_reads: dict[str, str] = field(default_factory=dict)
    compute: Callable[[Frames, Options], pl.DataFrame] | None = None
    sql: str | None = None
    relations: Callable[[Frames], Frames] | None = None
    batch: int | None = None


def rows(step: CoreStep, *, query: Query, options: Options, keys: pl.DataFrame | None = None) -> pl.DataFrame:
    """The step's table, whole or for some keys; `query(statement, **frames)` runs SQL on the lake."""
    frames = {name: query(sql) for name, sql in step.reads.items() if keys is None or name not in step.keyed_reads}
    if keys is not None:
        frames |= {name: query(sql, keys=keys.unique()) for name, sql in step.keyed_reads.items()}
    if step.compute is not None:
        return _of_keys(step.compute(frames, options), keys)
    parts = [query(step.sql, **relations) for relations in _batches(step, step.relations(frames), keys=keys)]
    return pl.concat([step.table.empty(), *(step.table.conform(part) for part in parts)])


def _of_keys(frame: pl.DataFrame, keys: pl.DataFrame | None) -> pl.DataFrame:
    return frame if keys is None else frame.join(keys, on=keys.columns, how="semi")


def _batches(step: CoreStep, relations: Frames, *, keys: pl.DataFrame | None) -> Iterator[Frames]:
    """The relations, each cut to some of the keys at a time: together they hold every key once."""
    [(name, frame)] = relations.items()
    frame = _of_keys(frame, keys)
    wanted = frame.select(step.keys).unique().sort(step.keys)
    for part in wanted.iter_slices(step.batch or max(1, wanted.height)):
        yield {name: frame.join(part, on=list(step.keys), how="semi")}


def _all(full_name: str) -> str:
    schema, name = full_name.split(".")
    return f'SELECT * FROM {schema}."{name}"'


_REGISTER_READS = {name: _all(f"core.{name}") for name in ("patients", "clinics", "patient_status")}


def _record(name: str) -> CoreStep:
    """A table of records: the revision that counts, under the patient that counts, without what can't be true."""
    registers = _held_against(name)
    reads = {"raw": _all(f"raw.{name}")} | {other: _REGISTER_READS[other] for other in registers}

    def compute(frames: Frames, options: Options) -> pl.DataFrame:
        counting = current.current(name, frames["raw"])
        if "patient_id" in counting.columns:
            counting = current.merge_patients(counting, frames.get("patient_status", counting))
        return CORE_RECORDS[name].conform(_judged(name, counting, frames, options))

    return CoreStep(
        table=CORE_RECORDS[name],
        inputs=(f"raw.{name}", *(f"core.{other}" for other in registers)),
        keys=() if name in REGISTERS else (TOPIC_BY_NAME[name].record_id,),
        reads=reads,
        keyed_reads={} if name in REGISTERS else {"raw": current.rows_of_records(name)},
        compute=compute,
    )


def _held_against(name: str) -> tuple[str, ...]:
    """The registers that a table's records are held against: whose they are, when those lived."""
    if "patient_id" not in CORE_RECORDS[name].names or name == "patient_status":
        return ()
    return ("patient_status",) if name == "patients" else tuple(_REGISTER_READS)


def _judged(name: str, frame: pl.DataFrame, frames: Frames, options: Options) -> pl.DataFrame:
    """A death is judged by itself before anything is held against it, the other statuses too."""
    if name == "patient_status":
        frame = plausibility.judged(name, frame, people=None, options=options)
    people = plausibility.people_of(name, frames | {name: frame})
    return plausibility.judged(name, frame, people=people, options=options)


_PEOPLE = _REGISTER_READS


def _people(frames: Frames) -> pl.DataFrame:
    return activity.people(frames["patients"], frames["clinics"], frames["patient_status"])


def _walking_days(frames: Frames, options: Options) -> pl.DataFrame:
    return mobility.walking_days(walking_bouts=frames["bouts"], people=_people(frames), options=options)


ACTIVITY_DAYS = CoreStep(
    table=CORE_TABLES["activity_days"],
    inputs=("raw.readings", "core.patients", "core.clinics", "core.patient_status"),
    keys=("patient_id",),
    reads=_PEOPLE,
    sql=activity.ACTIVITY_DAYS_SQL,
    relations=lambda frames: {"people": _people(frames)},
    batch=500,
)

WALKING_DAYS = CoreStep(
    table=CORE_TABLES["walking_days"],
    inputs=("core.walking_bouts", "core.patients", "core.clinics", "core.patient_status"),
    keys=("patient_id",),
    reads={**_PEOPLE, "bouts": _all("core.walking_bouts")},
    keyed_reads={"bouts": _all("core.walking_bouts") + " SEMI JOIN keys USING (patient_id)"},
    compute=_walking_days,
)

TELEMETRY_SESSIONS = CoreStep(
    table=CORE_TABLES["telemetry_sessions"],
    inputs=("raw.telemetry", "core.sessions"),
    keys=("session_id",),
    reads={"exposures": telemetry.EXPOSURES_SQL},
    keyed_reads={"exposures": telemetry.EXPOSURES_SQL + " SEMI JOIN keys USING (session_id)"},
    sql=telemetry.TELEMETRY_SESSIONS_SQL,
    relations=lambda frames: {"exposures": frames["exposures"]},
    batch=20_000,
)

ORPHANS = CoreStep(
    table=CORE_TABLES["orphans"],
    inputs=(*(f"core.{name}" for name in CORE_RECORDS), "raw.readings", "raw.telemetry"),
    reads={name: _all(f"core.{name}") for name in CORE_RECORDS}
    | {name: current.series_references(name) for name in ("readings", "telemetry")},
    compute=lambda frames, options: current.orphans(frames),
)

CONFLICTS = CoreStep(
    table=CORE_TABLES["conflicts"],
    inputs=tuple(f"raw.{name}" for name in RAW_TABLES),
    reads={name: current.sent_twice(name) for name in RAW_TABLES},
    compute=lambda frames, options: pl.concat([current.conflicts(name, raw) for name, raw in frames.items()]),
)


def _implausible(frames: Frames, options: Options) -> pl.DataFrame:
    parts = []
    for name in CORE_RECORDS:
        people = plausibility.people_of(name, frames)
        parts.append(plausibility.listed(name, frames[f"{name}_as_sent"], people=people, options=options))
    return pl.concat(parts).sort(CORE_TABLES["implausible"].key)


IMPLAUSIBLE = CoreStep(
    table=CORE_TABLES["implausible"],
    inputs=(*(f"core.{name}" for name in CORE_RECORDS), *(f"raw.{name}" for name in CORE_RECORDS)),
    reads=_REGISTER_READS | {f"{name}_as_sent": plausibility.as_sent(name) for name in CORE_RECORDS},
    compute=_implausible,
)

LIKELY_DOUBLES = CoreStep(
    table=CORE_TABLES["likely_doubles"],
    inputs=("core.sessions",),
    reads={"sessions": _all("core.sessions")},
    compute=lambda frames, options: likely_doubles(frames["sessions"]),
)

_RECORDS_IN_ORDER = (*REGISTERS, *(name for name in CORE_RECORDS if name not in REGISTERS))

CORE: dict[str, CoreStep] = {
    step.table.name: step
    for step in (
        *(_record(name) for name in _RECORDS_IN_ORDER),
        ACTIVITY_DAYS,
        WALKING_DAYS,
        TELEMETRY_SESSIONS,
        ORPHANS,
        CONFLICTS,
        LIKELY_DOUBLES,
        IMPLAUSIBLE,
    )
}
