"""What is true now, of all that landed: duplicates, corrections, entries in error, merged patients.

Here: functions from rows of `raw` to rows of `core`. Not here: which events are of one thing
(identity.py), what lost (conflicts.py), the series (series/activity.py, series/telemetry.py) and
the moment or order in which this runs.

Neither the order of the rows nor copies of them nor a split of the input change a result; the order
of landing does where nothing else says which of two records is newer.
"""

from collections.abc import Iterable

import polars as pl

from ..facts.sessions import DELIVERED
from ..schemas import CORE_RECORDS, TOPIC_BY_NAME

ENTERED_IN_ERROR = "entered_in_error"
IDENTITY = ("source", "event_id")
# What tells one landed row from another: a batched record lands several events at its position.
POSITION = 'kafka_topic_id, kafka_partition, kafka_offset, "source", event_id'
LANDED = ("ingested_at", "kafka_partition", "kafka_offset", "kafka_topic_id")

# What a field is where it was not sent.
_DEFAULTS = {"sessions": {"status": DELIVERED}, "responses": {"context": "scheduled"}}


def first_landed(raw: pl.DataFrame) -> pl.DataFrame:
    """One row an event: of several with one (source, event_id), the first landed."""
    in_order = raw.sort(*LANDED)
    return in_order.unique(IDENTITY, keep="first", maintain_order=True)


def written_at() -> pl.Expr:
    """When a record was written down: `recorded_at`, which can't be after it landed; as of landing
    where not given.
    """
    landed = pl.col("ingested_at")
    return pl.min_horizontal(pl.col("recorded_at").fill_null(landed), landed)


def counting(rows: pl.DataFrame, by: Iterable[str]) -> pl.DataFrame:
    """Of the records of each thing (of one value of `by`) the one that counts; no two copies of one
    event among them.

    Of the versioned records of a source the highest revision; between it, unversioned ones and
    other sources' the latest written down, then the last landed. So an unversioned mark of error
    that is later beats any revision.
    """
    by, order = list(by), ["_written_at", *LANDED]
    rows = rows.with_columns(written_at().alias("_written_at"))
    versioned = (
        rows.filter(pl.col("revision").is_not_null())
        .sort("revision", *order)
        .unique([*by, "source"], keep="last", maintain_order=True)
    )
    candidates = pl.concat([rows.filter(pl.col("revision").is_null()), versioned])
    return candidates.sort(order).unique(by, keep="last", maintain_order=True).drop("_written_at")


def named(name: str, raw: pl.DataFrame, identities: pl.DataFrame | None) -> pl.DataFrame:
    """The events of `raw.NAME`, one row each, under the record id that core gives them, as sent in
    `sent_id`.

    Without those of a clashing id that fit several things. `identities`: `core.identities`; None =
    nothing clashes.
    """
    record_id = TOPIC_BY_NAME[name].record_id
    events = first_landed(raw).with_columns(sent_id=record_id)
    if identities is None:
        return events
    of_topic = identities.filter(pl.col("topic") == name, pl.col("event_id").is_not_null())
    if of_topic.is_empty():
        return events
    of_topic = of_topic.select(*IDENTITY, _name="name", _clashes=pl.lit(True))
    events = events.join(of_topic, on=IDENTITY, how="left", maintain_order="left")
    kept = events.filter(pl.col("_clashes").is_null() | pl.col("_name").is_not_null())
    return kept.with_columns(pl.coalesce("_name", record_id).alias(record_id)).drop(
        "_name", "_clashes"
    )


def current(name: str, raw: pl.DataFrame, identities: pl.DataFrame | None = None) -> pl.DataFrame:
    """The rows of `core.NAME`: of each record, the event that counts; records entered in error are
    left out.

    `raw` are all rows of `raw.NAME`. Ids that clash have the names of `identities`; other
    references are as sent, and patients are not merged yet (`merge_patients`).
    """
    table = CORE_RECORDS[name]
    defaults = {"record_status": "active", **_DEFAULTS.get(name, {})}
    counts = counting(named(name, raw, identities), table.key).with_columns(
        pl.col("recorded_at").is_not_null().alias("is_recorded_at_given"),
        pl.lit(False).alias("is_set_aside"),  # until rules/plausibility.py has judged it
        pl.col("recorded_at").fill_null(pl.col("event_time")),
        *(pl.col(column).fill_null(value) for column, value in defaults.items()),
    )
    if "is_allocated" in table.names:
        counts = counts.with_columns(
            is_allocated=pl.col("arm").is_not_null() | pl.col("allocated_on").is_not_null()
        )
    active = counts.filter(pl.col("record_status") != ENTERED_IN_ERROR)
    return table.conform(active).sort(table.key)


def later_copies(name: str) -> str:
    """CTEs `twice` and `copies` for a query over the series `raw.NAME`: the positions of events
    that do not count.

    Of an event that landed several times the first stands; the others, and series taken back, are
    in `copies`. A hash finds the candidates cheaply, without carrying the samples; the identity
    itself decides.
    """
    return f"""twice AS MATERIALIZED (
    SELECT hash("source", event_id) AS identity FROM raw."{name}" GROUP BY identity HAVING count(*) > 1
),
copies AS MATERIALIZED (
    SELECT {POSITION} FROM raw."{name}" WHERE hash("source", event_id) IN (SELECT identity FROM twice)
    QUALIFY row_number() OVER (PARTITION BY "source", event_id
        ORDER BY ingested_at, kafka_partition, kafka_offset, kafka_topic_id) > 1
)"""


# Of two samples of one instant that in the later event counts, of two events of one time that
# landed later.
LATER_EVENT_FIRST = "event_time DESC, ingested_at DESC, kafka_partition DESC, kafka_offset DESC, kafka_topic_id DESC, k DESC"


def with_enrolment(
    patients: pl.DataFrame, events: pl.DataFrame, patient_status: pl.DataFrame
) -> pl.DataFrame:
    """The patients, of whom one that a clinic registered after a transfer to it keeps clinic and
    day of enrolment.

    `events`: of `named`; `patient_status`: core's. Of several earlier records the first enrolment
    counts.
    """
    moved = (
        patient_status.filter(pl.col("status") == "transferred")
        .select("patient_id", "clinic_id")
        .unique()
    )
    before = events.filter(pl.col("record_status").fill_null("active") != ENTERED_IN_ERROR)
    before = before.join(moved, on=["patient_id", "clinic_id"], how="anti").drop_nulls(
        "enrolled_on"
    )
    first = before.sort("enrolled_on", *LANDED).unique(
        "patient_id", keep="first", maintain_order=True
    )
    first = first.select("patient_id", _clinic="clinic_id", _day="enrolled_on")
    registered_anew = patients.join(moved, on=["patient_id", "clinic_id"], how="semi").select(
        "patient_id"
    )
    own = patients.join(
        first.join(registered_anew, on="patient_id"),
        on="patient_id",
        how="left",
        maintain_order="left",
    )
    kept = own.with_columns(
        clinic_id=pl.coalesce("_clinic", "clinic_id"),
        enrolled_on=pl.coalesce("_day", "enrolled_on"),
    )
    return kept.select(patients.columns)


def merge_map(patient_status: pl.DataFrame) -> pl.DataFrame:
    """One row a patient id that became another: `patient_id`, `merged_into` (the end of the chain),
    `is_cycle`.

    Of several merges of one id the latest `effective_on` counts, then the one written down last,
    then (source, event_id). In a cycle `merged_into` is null: its ids, and those that lead into it,
    stay as they are.
    """
    merges = (
        patient_status.filter(pl.col("status") == "merged", pl.col("merged_into").is_not_null())
        .with_columns(recorded_at=pl.when("is_recorded_at_given").then("recorded_at"))
        .with_columns(_written_at=written_at())
        .sort("effective_on", "_written_at", *IDENTITY, descending=True, nulls_last=True)
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
    """The frame with each `patient_id` replaced by the patient that it became; `patient_status` is
    core's.

    Rows of status `merged` keep their own id: they are the merges. Of the patients themselves, a
    merged one gives way to the record of the one it became; where that one has none yet, it stands
    in for it.
    """
    if "patient_id" not in frame.columns:
        return frame
    merges = merge_map(patient_status).filter(~pl.col("is_cycle")).drop("is_cycle")
    became = pl.coalesce("merged_into", "patient_id")
    if "status_id" in frame.columns:
        mapped = frame.rename({"merged_into": "_sent_into"}).join(
            merges, on="patient_id", how="left"
        )
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
