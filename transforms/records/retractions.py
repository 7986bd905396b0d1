"""Series that were taken back: the events of `raw` that a retraction in force fits.

Here: the SQL that finds them. Not here: the retractions themselves, which are records like any
(current.py): one that was entered in error takes nothing back.

A retraction fits a series that landed before it, or with it, and has each of the ids, the source
and the metric that it gives, and starts from `from` to `to`, both included: moments, or days of the
series' own clock.
"""

from ..schemas import RAW_TABLES
from .current import POSITION

_START = """s.started_at + to_minutes(
    CASE WHEN t.is_by_local_day THEN coalesce(s.started_utc_offset_min, 0) ELSE 0 END)"""
# The field of the retraction that a join goes by: the first that it gives.
_BY = {"patient_id": "patient_id", "series_source": '"source"', "device_id": "device_id"}


def retracted(name: str) -> str:
    """CTE `retracted` for a query over the series `raw.NAME`: the positions of what was taken
    back.
    """
    return f"retracted AS MATERIALIZED ({retracted_positions(name)})"


def retracted_positions(name: str) -> str:
    """SQL for the positions of the events of the series `raw.NAME` that were taken back; reads
    `core.retractions`.
    """
    columns = RAW_TABLES[name].names
    fields = {field: column for field, column in _BY.items() if column.strip('"') in columns}
    foreign = [field for field in _BY if field not in fields]
    metric = "metric" if "metric" in columns else "signal"
    times = ("ingested_at", "started_at", "started_utc_offset_min")
    needed = dict.fromkeys((*POSITION.split(", "), *times, metric, *fields.values()))
    parts = []
    for k, field in enumerate(fields):
        earlier, later = list(fields)[:k], list(fields)[k + 1 :]
        fits = [f"t.{other} IS NULL" for other in (*earlier, *foreign)]
        fits += [f"(t.{other} IS NULL OR t.{other} = s.{fields[other]})" for other in later]
        fits += [f"(t.metric IS NULL OR t.metric = s.{metric})", "t.ingested_at >= s.ingested_at"]
        fits += [f'{_START} >= t."from"', f'{_START} <= t."to"']
        parts.append(
            f"""SELECT {", ".join(f"s.{c}" for c in POSITION.split(", "))}
            FROM (SELECT {", ".join(needed)} FROM raw."{name}") s
            JOIN core.retractions t ON t.{field} = s.{fields[field]} WHERE {" AND ".join(fits)}"""
        )
    return " UNION ".join(parts)
