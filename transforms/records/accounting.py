"""What became of every record of `raw`: it counts in `core`, or it is said why not.

Here: the SQL of that account, for records and for series. Not here: who asks (`floe verify`) and as
of which snapshot.
"""

import polars as pl

from ..schemas import CORE_RECORDS, RAW_TABLES, TOPIC_BY_NAME
from .current import ENTERED_IN_ERROR, POSITION, later_copies
from .retractions import retracted

# What can become of a record, in the order in which it is told; of `lost` there must be none.
FATES = {
    "copies": "another copy of the event landed before",
    "counted": "it is in core",
    "superseded": "another record of the same thing counts",
    "in_error": "the thing was entered in error",
    "merged": "the patient became another",
    "taken_back": "the series was retracted",
    "fits_several": "its id clashes and it fits several things: core.orphans",
    "lost": "none of these",
}


def account(name: str) -> str:
    """SQL for one row: `topic`, `landed` (rows of `raw.NAME`) and how many had each of the FATES;
    they add up.
    """
    if name in CORE_RECORDS:
        return _of_records(name)
    return _of_series(name)


def unaccounted(accounts: pl.DataFrame) -> pl.DataFrame:
    """The topics whose records are not all accounted for, of rows of `account`."""
    is_lost = pl.col("lost") > 0
    n_accounted = pl.sum_horizontal(list(FATES))
    return accounts.filter(is_lost | (pl.col("landed") != n_accounted))


def _select(name: str, counts: dict[str, str]) -> str:
    fates = ", ".join(f"{counts.get(fate, '0')}::BIGINT AS {fate}" for fate in FATES)
    return f"SELECT '{name}' AS topic, count(*)::BIGINT AS landed, {fates}"


def _of_series(name: str) -> str:
    counts = {
        "copies": "count(*) FILTER (_copy)",
        "taken_back": "count(*) FILTER (_taken_back AND NOT _copy)",
        "counted": "count(*) FILTER (NOT _copy AND NOT _taken_back)",
    }
    is_in = f"({POSITION}) IN (SELECT ({POSITION}) FROM"
    return f"""WITH {later_copies(name)}, {retracted(name)}
        {_select(name, counts)} FROM (SELECT {is_in} copies) AS _copy, {is_in} retracted) AS _taken_back
        FROM raw."{name}")"""


def _of_records(name: str) -> str:
    key = CORE_RECORDS[name].key
    record_id, *further = (f'"{column}"' for column in key)
    rest = "".join(f", {column}" for column in further)
    mergers = (
        "SELECT patient_id FROM core.patient_status WHERE status = 'merged'"
        if name == "patients"
        else "SELECT NULL"
    )
    of_thing = f"(name{rest}) IN (SELECT (name{rest}) FROM"
    fate = f"""CASE WHEN copy > 1 THEN 'copies' WHEN is_counted THEN 'counted'
        WHEN clashes AND given IS NULL THEN 'fits_several' WHEN {of_thing} things) THEN 'superseded'
        WHEN {of_thing} errors) THEN 'in_error' WHEN name IN ({mergers}) THEN 'merged' ELSE 'lost' END"""
    counts = {fate: f"count(*) FILTER (fate = '{fate}')" for fate in FATES}
    return f"""WITH landed AS (
        SELECT {record_id} AS record_id{rest}, "source", event_id, record_status, row_number() OVER (
            PARTITION BY "source", event_id ORDER BY ingested_at, kafka_partition, kafka_offset, kafka_topic_id) AS copy
        FROM raw."{name}"
    ),
    clashing AS (SELECT "source", event_id, name AS given, true AS clashes FROM core.identities
        WHERE topic = '{TOPIC_BY_NAME[name].name}' AND event_id IS NOT NULL),
    counting AS (SELECT "source", event_id, true AS counts FROM core."{name}"),
    events AS (
        SELECT *, coalesce(given, record_id) AS name, coalesce(counts, false) AS is_counted
        FROM landed LEFT JOIN clashing USING ("source", event_id) LEFT JOIN counting USING ("source", event_id)
    ),
    things AS (SELECT DISTINCT {record_id} AS name{rest} FROM core."{name}"),
    errors AS (SELECT DISTINCT name{rest} FROM events WHERE record_status = '{ENTERED_IN_ERROR}' AND copy = 1),
    fates AS (SELECT {fate} AS fate FROM events)
    {_select(name, counts)} FROM fates"""


ACCOUNTS = {name: account(name) for name in RAW_TABLES}
