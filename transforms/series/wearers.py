"""Under which ids people were recorded by devices, who they are, and whose clock each has.

Here: that relation, for the statements of the series. Not here: the statements (activity.py), ids
that stand for several (series_things.py).
"""

import polars as pl

from ..records.current import merge_map
from ..rules.local_time import clocks
from .wearable_day import with_zones

PEOPLE = ("recorded_id", "of_device", "of_source", "device_as", "patient_id", "timezone", "moves")


def people(
    patients: pl.DataFrame,
    clinics: pl.DataFrame,
    patient_status: pl.DataFrame,
    exact: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Every id under which a known patient was recorded, what it became, and whose clock it has.

    Columns `recorded_id`, `of_device`, `of_source`, `device_as`, `patient_id`, `timezone` and
    `moves` (wearable_day.py); a zone is null where the clinic is not known yet. Readings of a
    patient who is not in it are left out until the patient is known. For some patients only, keep
    their rows of it. `exact` (of `series_things.wearers`) are ids that stand for several patients
    or devices: there device and source (else null: any) say whose series it is, and `device_as`
    what the device is.
    """
    whose = clocks(patients=patients, clinics=clinics, patient_status=patient_status)
    zones = with_zones(patients.select("patient_id"), whose)
    own = zones.select("timezone", "moves", recorded_id="patient_id", patient_id="patient_id")
    merges = merge_map(patient_status).filter(~pl.col("is_cycle"))
    merged = merges.join(zones, left_on="merged_into", right_on="patient_id").select(
        "timezone", "moves", recorded_id="patient_id", patient_id="merged_into"
    )
    anyone = pl.concat([merged, own.join(merged, on="recorded_id", how="anti")]).with_columns(
        pl.lit(None, dtype=pl.String).alias(c) for c in ("of_device", "of_source", "device_as")
    )
    if exact is not None:
        apart = exact.join(zones, on="patient_id").select(anyone.columns)
        anyone = pl.concat([anyone.join(exact, on="recorded_id", how="anti"), apart])
    return anyone.select(PEOPLE).sort("recorded_id", "of_device", "of_source", nulls_last=False)
