"""`core.conflicts`: events that contradict others of the same id, and what was made of it.

Here: other content under one identity, clashing ids, re-entries, and what lost to a later record
and differs from it. Not here: what counts (current.py, identity.py) and what could not be
attributed (orphans.py).
"""

import json
from collections.abc import Mapping

import polars as pl

from ..facts.masking import NOT_SHOWN, SEALED
from ..schemas import CORE_RECORDS, TOPIC_BY_NAME
from ..schemas.core import CONFLICTS
from ..schemas.raw import CORRECTION, EXTRA, data_columns
from .current import ENTERED_IN_ERROR, IDENTITY, LANDED, counting, first_landed, named

_STANDS = "__stands"
# What a correction says of itself is no content.
_ABOUT = {column.name for column in CORRECTION} | {f"{column.name}_raw" for column in CORRECTION}


def contradicting(name: str) -> str:
    """SQL for the rows of `raw.NAME` that `conflicts` needs: of events that landed twice, of ids
    with several events.
    """
    twice = f'SELECT "source", event_id FROM raw."{name}" GROUP BY ALL HAVING count(*) > 1'
    if name not in CORE_RECORDS:
        return f'SELECT * FROM raw."{name}" SEMI JOIN ({twice}) USING ("source", event_id)'
    record_id = TOPIC_BY_NAME[name].record_id
    ids = f'SELECT "{record_id}" FROM raw."{name}" GROUP BY "{record_id}" HAVING count(*) > 1'
    events = f'SELECT "source", event_id FROM raw."{name}" SEMI JOIN ({ids}) USING ("{record_id}")'
    return (
        f'SELECT * FROM raw."{name}" SEMI JOIN ({twice} UNION {events}) USING ("source", event_id)'
    )


def conflicts(name: str, raw: pl.DataFrame, identities: pl.DataFrame | None = None) -> pl.DataFrame:
    """The rows of `core.conflicts` of a topic; `raw`: rows of `contradicting`, or all;
    `identities`: of core.

    Content is the event's time, its data and the fields that the contract does not know; in a JSON
    object the order of the members is not content. Floe's own alerts are listed for copies alone:
    their states follow each other.
    """
    parts = [_copies(name, raw)]
    if name in CORE_RECORDS and name != "alerts":
        events = named(name, raw, identities)
        parts += [_of_records(name, events, identities)]
    return pl.concat(parts).unique(CONFLICTS.key, keep="any").sort(CONFLICTS.key)


def _copies(name: str, raw: pl.DataFrame) -> pl.DataFrame:
    """Copies of an event with other content than the copy that landed first."""
    columns = {"event_time": False, "utc_offset_min": False, EXTRA.name: True} | _content(name)
    columns |= {SEALED: False} if SEALED in raw.columns else {}
    stands = first_landed(raw).select(
        *IDENTITY, *LANDED, *(pl.col(c).alias(f"{c}{_STANDS}") for c in columns)
    )
    copies = raw.join(stands.drop(LANDED), on=IDENTITY).join(
        stands, on=[*IDENTITY, *LANDED], how="anti"
    )
    record_id = TOPIC_BY_NAME[name].record_id
    return _listed(
        "copy_differs",
        name,
        _different(copies, columns).with_columns(sent_id=record_id),
        is_named=False,
    )


def _of_records(name: str, events: pl.DataFrame, identities: pl.DataFrame | None) -> pl.DataFrame:
    """Clashing things, re-entries, and what lost and differs."""
    key = list(CORE_RECORDS[name].key)
    is_error = pl.col("record_status").fill_null("active") == ENTERED_IN_ERROR
    counts = counting(events, key).filter(~is_error)
    in_error = events.filter(is_error)
    parts = [
        _listed(
            "re_entry", name, counts.join(in_error, on=key, how="semi").with_columns(differs=None)
        )
    ]
    if identities is not None:
        clashing = identities.filter(pl.col("topic") == name, pl.col("is_active"))
        clashing = clashing.filter(pl.col("name").drop_nulls().n_unique().over("record_id") > 1)
        things = counts.join(
            clashing.select("name").unique(), left_on=key[0], right_on="name", how="semi"
        )
        parts.append(_listed("clash", name, things.with_columns(differs=None)))
    lost = (
        events.filter(~is_error)
        .join(in_error, on=key, how="anti")
        .join(counts, on=IDENTITY, how="anti")
    )
    parts.append(
        _listed("superseded", name, _superseded(name, lost, counts, key=key), is_named=False)
    )
    return pl.concat(parts)


def _superseded(
    name: str, lost: pl.DataFrame, counts: pl.DataFrame, *, key: list[str]
) -> pl.DataFrame:
    """The records that lost and differ, but for plain revisions: of one source, of the same patient
    and clinic.
    """
    columns = {c: is_json for c, is_json in _content(name).items() if c not in (*_ABOUT, *key)}
    columns |= {SEALED: False} if SEALED in counts.columns else {}
    stands = counts.select(
        *key,
        pl.col("source").alias("_source"),
        pl.col("revision").alias("_revision"),
        *(pl.col(c).alias(f"{c}{_STANDS}") for c in columns),
    )
    pairs = lost.join(stands, on=key)
    moves = [
        pl.col(c).ne_missing(pl.col(f"{c}{_STANDS}"))
        for c in ("patient_id", "clinic_id")
        if c in columns
    ]
    is_plain = (pl.col("source") == pl.col("_source")) & pl.col("_revision").is_not_null()
    is_plain &= pl.col("revision").fill_null(-1) < pl.col("_revision")
    is_outdated = pl.col("revision") < pl.col("revision").max().over([*key, "source"])
    return _different(
        pairs.filter(~(is_plain | is_outdated.fill_null(False)) | pl.any_horizontal(False, *moves)),
        columns,
    )


def _content(name: str) -> dict[str, bool]:
    """The columns of an event's data, and whether they hold JSON."""
    columns = data_columns(TOPIC_BY_NAME[name])
    return {column.name: column.duckdb == "JSON" for column in columns}


def _different(pairs: pl.DataFrame, columns: Mapping[str, bool]) -> pl.DataFrame:
    """The rows that differ from what counts (`NAME__stands`), with `differs`."""
    other = pairs.filter(
        pl.any_horizontal(pl.col(c).ne_missing(pl.col(f"{c}{_STANDS}")) for c in columns)
    )
    texts = [_differences(row, columns) for row in other.iter_rows(named=True)]
    return other.with_columns(pl.Series("differs", texts, dtype=pl.String)).filter(
        pl.col("differs").is_not_null()
    )


def _differences(row: dict, columns: Mapping[str, bool]) -> str | None:
    """{field: [stands, sent]} as JSON; None where only the order of an object's members differs."""
    differ = {}
    for column, is_json in columns.items():
        pair = [row[f"{column}{_STANDS}"], row[column]]
        pair = [None if text is None else json.loads(text) for text in pair] if is_json else pair
        if pair[0] != pair[1]:
            differ[column] = [NOT_SHOWN, NOT_SHOWN] if column == SEALED else pair
    if not differ:
        return None
    return json.dumps(differ, default=str, sort_keys=True)


def _listed(kind: str, name: str, events: pl.DataFrame, *, is_named: bool = True) -> pl.DataFrame:
    """Rows of the table: `events` have `sent_id` and `differs`."""
    record_id = TOPIC_BY_NAME[name].record_id
    none = pl.lit(None, dtype=pl.String)
    given = {
        "kind": pl.lit(kind),
        "topic": pl.lit(name),
        "record_id": pl.col("sent_id"),
        "name": pl.col(record_id) if is_named else none,
    }
    given |= {c: none for c in ("patient_id", "clinic_id") if c not in events.columns}
    return CONFLICTS.conform(events.with_columns(**given))
