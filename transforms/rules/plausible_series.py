"""Series whose start can't be true: readings and telemetry, judged as a whole by when they begin.

Here: the SQL that finds those in doubt, and the judgement. Not here: their samples, which
series/activity.py and series/telemetry.py cut; records (plausibility.py).
"""

import polars as pl

from ..options import Options
from ..schemas.core import IMPLAUSIBLE
from .life_bounds import floor_us, with_clock

UNTIMELY = {
    "long_ago": "It lies before anything that Floe knows of could be measured or written.",
    "before_birth_or_enrolment": "It lies before the patient's birth, or years before the enrolment.",
    "in_the_future": "It had not come yet when the record was landed.",
    "after_death": "It lies after the patient's death.",
}


def doubtful_series(name: str, options: Options) -> str:
    """SQL for the series of `raw.NAME` whose start may be wrong: one row per event, without its
    samples, which would have to be read all. Of readings all of patients who died or were merged
    are among them: `untimely_series` decides.

    A series that only runs on past its landing is not listed; what of it lies there is in no day.
    """
    columns = """"source", event_id, ingested_at, started_at, device_id"""
    doubts = [
        f"started_at < make_timestamptz({floor_us(options)})",
        f"started_at > ingested_at + to_minutes({options.clock_tolerance_min})",
    ]
    if name == "telemetry":
        return f"""SELECT {columns}, NULL::VARCHAR AS recorded_id, clinic_id
            FROM raw.telemetry WHERE {" OR ".join(doubts)}"""
    doubts += [
        f"started_at < enrolled_on - to_years({options.years_before_enrolment})",
        "year(started_at) < birth_year",
        "recorded_id IN (SELECT patient_id FROM core.patient_status WHERE status IN ('died', 'merged'))",
    ]
    return f"""SELECT {columns}, recorded_id, NULL::VARCHAR AS clinic_id
        FROM (SELECT {columns}, patient_id AS recorded_id FROM raw.readings)
        LEFT JOIN (SELECT patient_id AS recorded_id, enrolled_on, birth_year FROM core.patients) USING (recorded_id)
        WHERE {" OR ".join(doubts)}"""


def untimely_series(
    name: str, series: pl.DataFrame, *, wearers: pl.DataFrame | None, options: Options
) -> pl.DataFrame:
    """Rows of `core.implausible` of the `doubtful_series` whose start can't be true, one an event.

    `wearers`: whose they are, with the bounds of `with_bounds`; None of telemetry, which is no
    patient's.
    """
    floor = pl.lit(floor_us(options), pl.Int64)
    if wearers is None:
        none = {"until_us": pl.Int64, "patient_id": pl.String}
        frame = series.with_columns(
            pl.lit(None, dtype).alias(column) for column, dtype in none.items()
        )
        frame = with_clock(frame, options=options)
    else:
        bounds = wearers.select(
            "recorded_id", "patient_id", "from_us", "until_us", "tolerance_us"
        ).unique("recorded_id")
        frame = series.join(bounds, on="recorded_id")
    start, landed = (pl.col(c).dt.epoch("us") for c in ("started_at", "ingested_at"))
    broken = (
        pl.when(start > landed + pl.col("tolerance_us"))
        .then(pl.lit("in_the_future"))
        .when(start < floor)
        .then(pl.lit("long_ago"))
        .when(start < pl.col("from_us"))
        .then(pl.lit("before_birth_or_enrolment"))
        .when(start >= pl.col("until_us"))
        .then(pl.lit("after_death"))
    )
    frame = frame.with_columns(rule=broken).filter(pl.col("rule").is_not_null())
    is_contradiction = pl.col("rule") == "after_death"
    rows = frame.select(
        pl.lit(name).alias("table"),
        pl.lit("started_at").alias("field"),
        "rule",
        "clinic_id",
        "patient_id",
        "event_id",
        "source",
        "ingested_at",
        record_id="event_id",
        sentence=pl.col("rule").replace_strict(UNTIMELY, return_dtype=pl.String),
        found=pl.col("started_at").cast(pl.String),
        against=pl.lit(None, pl.String),
        is_safety=pl.lit(False),
        is_contradiction=is_contradiction,
        is_set_aside=is_contradiction,
    )
    return IMPLAUSIBLE.conform(rows.unique(IMPLAUSIBLE.key, keep="any"))
