"""What is true now, of all that landed: duplicates, corrections, entries in error, merged patients, orphans.

Here: functions from rows of `raw` to rows of `core`, for all rows or for those of some records. Not here: the series
(activity.py, telemetry.py) and the moment or order in which this runs.

Neither the order of the rows nor copies of them nor a split of the input change a result.
"""

import json

import polars as pl

from .schemas import CORE_RECORDS, RAW_TABLES, TOPIC_BY_NAME, Json
from .schemas.core import CONFLICTS, ORPHANS
from .schemas.raw import EXTRA, data_columns

IDENTITY = ("source", "event_id")
POSITION = "kafka_topic_id, kafka_partition, kafka_offset"
_LANDED = ("ingested_at", "kafka_partition", "kafka_offset", "kafka_topic_id")

# What a field is where it was not sent.
_DEFAULTS = {"sessions": {"status": "delivered"}, "responses": {"context": "scheduled"}}


def first_landed(raw: pl.DataFrame) -> pl.DataFrame:
    """One row an event: of several with one (source, event_id), the first landed."""
    return raw.sort(*_LANDED).unique(IDENTITY, keep="first", maintain_order=True)


def current(name: str, raw: pl.DataFrame) -> pl.DataFrame:
    """The rows of `core.NAME`: of each record, the revision that counts; records entered in error are left out.

    `raw` are rows of `raw.NAME`: all, or all copies of all events of some records (`rows_of_records`). Patients are
    not merged yet (`merge_patients`). The highest revision counts, then the latest `recorded_at`, then the greatest
    (source, event_id).
    """
    table = CORE_RECORDS[name]
    defaults = {"revision": 0, "record_status": "active", **_DEFAULTS.get(name, {})}
    counting = (
        first_landed(raw)
        .with_columns(
            pl.col("recorded_at").is_not_null().alias("is_recorded_at_given"),
            pl.lit(False).alias("is_set_aside"),  # until plausibility.py has judged it
            pl.col("recorded_at").fill_null(pl.col("event_time")),
            *(pl.col(column).fill_null(value) for column, value in defaults.items()),
        )
        .sort("revision", "recorded_at", *IDENTITY, descending=True)
        .unique(table.key, keep="first", maintain_order=True)
    )
    active = counting.filter(pl.col("record_status") != "entered_in_error")
    return table.conform(active).sort(table.key)


def rows_of_records(name: str) -> str:
    """SQL for the rows of `raw.NAME` that `current` needs for the records in the relation `keys` (their id).

    They include the copies, under whatever record id, of the records' events: keep the results whose id is in `keys`.
    """
    record_id = TOPIC_BY_NAME[name].record_id
    return f"""SELECT * FROM raw."{name}" SEMI JOIN (
        SELECT "source", event_id FROM raw."{name}" SEMI JOIN keys USING ("{record_id}")
    ) USING ("source", event_id)"""


def sent_twice(name: str) -> str:
    """SQL for the rows of `raw.NAME` whose event landed more than once: all that `conflicts` needs."""
    return f"""SELECT * FROM raw."{name}" SEMI JOIN (
        SELECT "source", event_id FROM raw."{name}" GROUP BY ALL HAVING count(*) > 1
    ) USING ("source", event_id)"""


def later_copies(name: str) -> str:
    """CTEs `twice` and `copies` for a query over the series `raw.NAME`: the positions of copies that do not count.

    Of an event that landed several times the first stands. A hash finds the candidates cheaply, without carrying
    the samples; the identity itself decides.
    """
    return f"""twice AS MATERIALIZED (
    SELECT hash("source", event_id) AS identity FROM raw."{name}" GROUP BY identity HAVING count(*) > 1
),
copies AS MATERIALIZED (
    SELECT {POSITION} FROM raw."{name}" WHERE hash("source", event_id) IN (SELECT identity FROM twice)
    QUALIFY row_number() OVER (PARTITION BY "source", event_id
        ORDER BY ingested_at, kafka_partition, kafka_offset, kafka_topic_id) > 1
)"""


# --- conflicts --------------------------------------------------------------------------------------


def conflicts(name: str, raw: pl.DataFrame) -> pl.DataFrame:
    """The rows of `core.conflicts`: copies of an event with other content than the copy that landed first.

    Content is the event's time, its data and the fields that the contract does not know; in a JSON object the order
    of the members is not content.
    """
    columns = {"event_time": False, "utc_offset_min": False, EXTRA.name: True}
    columns |= {c.name: c.dtype is Json for c in data_columns(TOPIC_BY_NAME[name])}
    stands = first_landed(raw).select(*IDENTITY, *_LANDED, *(pl.col(c).alias(f"{c}__stands") for c in columns))
    copies = raw.join(stands.drop(_LANDED), on=IDENTITY).join(stands, on=[*IDENTITY, *_LANDED], how="anti")
    other = copies.filter(pl.any_horizontal(pl.col(c).ne_missing(pl.col(f"{c}__stands")) for c in columns))
    given = {"kind": "copy_differs", "topic": name, "name": None}
    record_id = TOPIC_BY_NAME[name].record_id
    rows = [
        {"clinic_id": None, "patient_id": None}
        | row
        | given
        | {"record_id": row[record_id], "differs": _differences(row, columns)}
        for row in other.iter_rows(named=True)
    ]
    different = [{c: row[c] for c in CONFLICTS.names} for row in rows if row["differs"]]
    return CONFLICTS.conform(pl.DataFrame(different, schema=CONFLICTS.polars_schema)).unique().sort(CONFLICTS.key)


def _differences(row: dict, columns: dict[str, bool]) -> str | None:
    """{field: [stands, sent]} as JSON; None where only the order of an object's members differs."""
    differ = {}
    for column, is_json in columns.items():
        pair = [row[f"{column}__stands"], row[column]]
        pair = [None if text is None else json.loads(text) for text in pair] if is_json else pair
        if pair[0] != pair[1]:
            differ[column] = pair
    return json.dumps(differ, default=str, sort_keys=True) if differ else None


# --- merged patients --------------------------------------------------------------------------------


def merge_map(patient_status: pl.DataFrame) -> pl.DataFrame:
    """One row a patient id that became another: `patient_id`, `merged_into` (the end of the chain), `is_cycle`.

    Of several merges of one id the latest `effective_on` counts, then `recorded_at`, then (source, event_id). In a
    cycle `merged_into` is null: its ids, and those that lead into it, stay as they are.
    """
    merges = (
        patient_status.filter(pl.col("status") == "merged", pl.col("merged_into").is_not_null())
        .sort("effective_on", "recorded_at", *IDENTITY, descending=True, nulls_last=True)
        .unique("patient_id", keep="first", maintain_order=True)
    )
    step = dict(merges.select("patient_id", "merged_into").iter_rows())
    ends = {patient: _end_of_chain(patient, step) for patient in sorted(step)}
    return pl.DataFrame(
        {"patient_id": list(ends), "merged_into": list(ends.values())},
        schema={"patient_id": pl.String, "merged_into": pl.String},
    ).with_columns(is_cycle=pl.col("merged_into").is_null())


def _end_of_chain(patient: str, step: dict[str, str]) -> str | None:
    seen = {patient}
    while (patient := step[patient]) in step:
        if patient in seen:
            return None
        seen.add(patient)
    return None if patient in seen else patient


def merge_patients(frame: pl.DataFrame, patient_status: pl.DataFrame) -> pl.DataFrame:
    """The frame with each `patient_id` replaced by the patient that it became; `patient_status` is core's.

    Rows of status `merged` keep their own id: they are the merges. Of the patients themselves, a merged one gives
    way to the record of the one it became; where that one has none yet, it stands in for it.
    """
    if "patient_id" not in frame.columns:
        return frame
    merges = merge_map(patient_status).filter(~pl.col("is_cycle")).drop("is_cycle")
    became = pl.coalesce("merged_into", "patient_id")
    if "status_id" in frame.columns:
        mapped = frame.rename({"merged_into": "_sent_into"}).join(merges, on="patient_id", how="left")
        kept = pl.when(pl.col("status") == "merged").then("patient_id").otherwise(became)
        return (
            mapped.with_columns(patient_id=kept)
            .drop("merged_into")
            .rename({"_sent_into": "merged_into"})
            .select(frame.columns)
        )
    mapped = frame.join(merges, on="patient_id", how="left").with_columns(patient_id=became)
    if "enrolled_on" in frame.columns:
        mapped = (
            mapped.with_columns(_own=pl.col("merged_into").is_null())
            .sort("_own", "recorded_at", *IDENTITY, descending=True)
            .unique("patient_id", keep="first", maintain_order=True)
            .sort("patient_id")
        )
    return mapped.select(frame.columns)


# --- orphans ----------------------------------------------------------------------------------------

_REFERENCES = {"clinic": "clinics", "device": "devices", "protocol": "protocols", "patient": "patients"}


def series_references(name: str) -> str:
    """SQL for what a series of `raw` refers to: a row a combination of ids, with the first event that has it."""
    columns = [c for c in RAW_TABLES[name].names if c in ("patient_id", "device_id", "clinic_id")]
    first = 'min_by(struct_pack(event_id := event_id, s := "source"), (event_time, event_id, "source"))'
    return f"""SELECT {", ".join(columns)}, f.event_id AS event_id, f.s AS "source" FROM (
        SELECT {", ".join(columns)}, {first} AS f FROM raw."{name}" GROUP BY {", ".join(columns)})"""


def orphans(core: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """The rows of `core.orphans`: records that name a clinic, device, protocol or patient that is not known.

    `core` holds `clinics`, `devices`, `protocols`, `patients`, `patient_status` and any further tables of records by
    name, patients merged; `readings` and `telemetry` are results of `series_references`, whose record is the event.
    A merge into an unknown patient or in a cycle is listed as `merge_target`.
    """
    merges = merge_map(core["patient_status"])
    known = {kind: core[table][f"{kind}_id"].unique() for kind, table in _REFERENCES.items()}
    aliases = merges.filter(pl.col("merged_into").is_in(known["patient"].implode()))["patient_id"]
    known["patient"] = pl.concat([known["patient"], aliases]).unique()
    found = [
        _missing(name, frame, kind, ids)
        for name, frame in core.items()
        for kind, ids in known.items()
        if f"{kind}_id" in frame.columns and name != _REFERENCES[kind]
    ]
    found.append(_lost_merges(core["patient_status"], merges, known["patient"]))
    return pl.concat([ORPHANS.empty(), *found]).unique(ORPHANS.key, keep="any").sort(ORPHANS.key)


def _listed(name: str, rows: pl.DataFrame, kind: str, missing_id: str) -> pl.DataFrame:
    topic = TOPIC_BY_NAME[name]
    return rows.select(
        pl.lit(name).alias("table"), pl.col("event_id" if topic.is_series else topic.record_id).alias("record_id"),
        pl.lit(kind).alias("missing_kind"), pl.col(missing_id).alias("missing_id"), "event_id", "source",
    )  # fmt: skip


def _missing(name: str, frame: pl.DataFrame, kind: str, known: pl.Series) -> pl.DataFrame:
    column = f"{kind}_id"
    unknown = frame.filter(pl.col(column).is_not_null(), ~pl.col(column).is_in(known.implode()))
    return _listed(name, unknown, kind, column)


def _lost_merges(patient_status: pl.DataFrame, merges: pl.DataFrame, known: pl.Series) -> pl.DataFrame:
    cycles = merges.filter("is_cycle")["patient_id"]
    lost = patient_status.filter(
        pl.col("status") == "merged",
        pl.col("merged_into").is_null()
        | ~pl.col("merged_into").is_in(known.implode())
        | pl.col("patient_id").is_in(cycles.implode()),
    )
    return _listed(
        "patient_status",
        lost.with_columns(pl.col("merged_into").fill_null("")),
        "merge_target",
        "merged_into",
    )
