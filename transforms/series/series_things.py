"""Whose a series is where it names an id that stands for several: by its clinic, device or source.

Here: the relations that the SQL of the series joins, and the SQL for the combinations of ids that
they need. Not here: the attribution itself (records/references.py) and the series (activity.py,
telemetry.py).
"""

import polars as pl

from ..records.current import POSITION, later_copies, merge_map
from ..records.references import Register, with_names
from ..records.retractions import retracted


def _clashing(topic: str) -> str:
    return f"SELECT record_id FROM core.identities WHERE topic = '{topic}'"


# Of patients who share an id, or have a device that does: every combination of their series.
WEARERS_SQL = f"""
SELECT DISTINCT patient_id, device_id, "source" FROM raw.readings WHERE patient_id IN (
    {_clashing("patients")}
    UNION SELECT patient_id FROM raw.readings WHERE device_id IN ({_clashing("devices")})
)"""
EXPOSED_SQL = f"""
SELECT DISTINCT session_id, device_id, clinic_id, "source" FROM raw.telemetry
WHERE session_id IN ({_clashing("sessions")})"""

# Of all sessions, which series say what was measured in them: what is taken back says nothing.
MEASURED_BY_SQL = f"""
WITH {later_copies("telemetry")}, {retracted("telemetry")}
SELECT DISTINCT session_id, device_id, clinic_id, "source" FROM raw.telemetry
ANTI JOIN copies USING ({POSITION}) ANTI JOIN retracted USING ({POSITION})
WHERE session_id IS NOT NULL AND len("values") > 0"""


def measured_by(combinations: pl.DataFrame, *, among: Register) -> pl.DataFrame:
    """Rows `session_id`, `device_id`, each pair once, by core's names, of the rows of
    `MEASURED_BY_SQL`.
    """
    named = with_names(
        with_names(combinations, ("device_id",), among=among), ("session_id",), among=among
    )
    return named.select("session_id", "device_id").unique().sort("session_id", "device_id")


def wearers(
    combinations: pl.DataFrame, patient_status: pl.DataFrame, *, among: Register
) -> pl.DataFrame:
    """Rows `recorded_id`, `of_device`, `of_source`, `patient_id`, `device_as` of the rows of
    `WEARERS_SQL`.

    A combination that fits several patients or none keeps the id, which no patient has: it waits.
    """
    sent = combinations.with_columns(
        recorded_id="patient_id", of_device=pl.col("device_id").fill_null(""), of_source="source"
    )
    named = with_names(sent, ("patient_id",), among=among)
    ends = merge_map(patient_status).filter(~pl.col("is_cycle")).select("patient_id", "merged_into")
    named = named.join(ends, on="patient_id", how="left").with_columns(
        patient_id=pl.coalesce("merged_into", "patient_id")
    )
    named = with_names(named, ("device_id",), among=among)
    return named.select(
        "recorded_id", "of_device", "of_source", "patient_id", device_as="device_id"
    )


def exposures(
    sessions: pl.DataFrame, combinations: pl.DataFrame, *, among: Register
) -> pl.DataFrame:
    """Sessions (of telemetry.EXPOSURES_SQL) with `recorded_id` and, where several had that id, what
    tells them apart.

    `combinations`: rows of `EXPOSED_SQL`. `of_device`, `of_clinic` and `of_source` are null where
    any will do.
    """
    sent = combinations.with_columns(
        recorded_id="session_id",
        of_device=pl.col("device_id").fill_null(""),
        of_clinic=pl.col("clinic_id").fill_null(""),
        of_source="source",
    )
    named = with_names(with_names(sent, ("device_id",), among=among), ("session_id",), among=among)
    apart = named.select("recorded_id", "of_device", "of_clinic", "of_source", "session_id").join(
        sessions, on="session_id"
    )
    any_will_do = [
        pl.lit(None, dtype=pl.String).alias(c) for c in ("of_device", "of_clinic", "of_source")
    ]
    alone = sessions.with_columns(*any_will_do, recorded_id="session_id")
    return pl.concat([alone.join(apart, on="recorded_id", how="anti").select(apart.columns), apart])
