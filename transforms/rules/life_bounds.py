"""What a patient's records are held against: the birth, the enrolment, the day of death, and how far
ahead a clock may be.

Here: these bounds, from frames of core. Not here: the rules that use them (plausibility_rules.py,
plausible_series.py).
"""

from datetime import UTC, datetime

import polars as pl

from ..options import Options
from ..schemas.core import CORE_RECORDS
from .local_time import clocks, with_day_start
from .local_time import with_clock as with_local_clock


def floor_us(options: Options) -> int:
    earliest = datetime(options.earliest_year, 1, 1, tzinfo=UTC)
    return int(earliest.timestamp()) * 1_000_000


def people(
    patients: pl.DataFrame, patient_status: pl.DataFrame, clinics: pl.DataFrame
) -> pl.DataFrame:
    """What a patient's records are held against, one row per patient of either frame: `patient_id`,
    `_birth_year`, `_enrolled_on`, `_died_on` (the first of several), `_dead_from`, the moment at
    which that day had ended.

    The frames are those of core. The day of death ends by the clock of its record.
    """
    whose = clocks(patients=patients, clinics=clinics, patient_status=patient_status)
    deaths = patient_status.filter(pl.col("status") == "died", pl.col("effective_on").is_not_null())
    deaths = with_local_clock(deaths, at="effective_on", clocks=whose)
    deaths = deaths.with_columns(
        _died_on="effective_on", _next=pl.col("effective_on").dt.offset_by("1d")
    )
    deaths = with_day_start(deaths, day="_next", into="_dead_from").sort("_died_on", "_dead_from")
    deaths = deaths.unique("patient_id", keep="first", maintain_order=True)
    deaths = deaths.select("patient_id", "_died_on", "_dead_from")
    own = patients.select("patient_id", _birth_year="birth_year", _enrolled_on="enrolled_on")
    return own.join(deaths, on="patient_id", how="full", coalesce=True)


def with_bounds(frame: pl.DataFrame, people: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """The frame of `patient_id` with what bounds the samples of a patient's series, in microseconds
    since 1970: `from_us` (before it none can be), `until_us` (the end of the day of death, null =
    alive), `tolerance_us` (so far ahead of its landing a sample may lie).
    """
    first = pl.max_horizontal(
        pl.date(options.earliest_year, 1, 1),
        pl.date(pl.col("_birth_year").clip(1, 9999), 1, 1),
        pl.col("_enrolled_on").dt.offset_by(f"-{options.years_before_enrolment}y"),
    )
    bounds = people.select(
        "patient_id",
        from_us=first.cast(pl.Datetime("us")).dt.epoch("us"),
        until_us=pl.col("_dead_from").dt.epoch("us"),
    )
    clock = with_clock(frame, options=options).rename({"from_us": "floor_us"})
    joined = clock.join(bounds, on="patient_id", how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("from_us", "floor_us").alias("from_us")).drop("floor_us")


def with_clock(frame: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """The frame with `from_us` and `tolerance_us` of the function above, of no patient in
    particular.
    """
    tolerance = options.clock_tolerance_min * 60_000_000
    return frame.with_columns(
        from_us=pl.lit(floor_us(options), pl.Int64), tolerance_us=pl.lit(tolerance, pl.Int64)
    )


def people_of(topic: str, core: dict[str, pl.DataFrame]) -> pl.DataFrame | None:
    """`people` for a topic's records, of tables of core by name; None where nothing is held against
    a person.

    A status is held against deaths alone, a patient against the deaths and the own record.
    """
    if "patient_id" not in CORE_RECORDS[topic].names:
        return None
    empty = {name: CORE_RECORDS[name].empty() for name in ("patients", "clinics")}
    frame_of = {"patients": empty, "patient_status": empty}.get(topic, {})
    frames = {
        name: frame_of.get(name, core.get(name))
        for name in ("patients", "patient_status", "clinics")
    }
    return people(frames["patients"], frames["patient_status"], frames["clinics"])
