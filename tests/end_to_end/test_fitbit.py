"""Real exports of wearables through Kafka: what is in the lake equals the file, hour by hour.

Here: minutes of steps, heart rate and daily totals after `floe import`, in raw.readings_long.
Not here: how an export is read (tests/ingest/test_importers.py), days and weeks of wearing
(tests/transforms).
"""

import polars as pl
import pytest

HOURS = """
    SELECT patient_id, date_trunc('hour', timezone('America/New_York', sampled_at)) AS hour,
        count("value") AS minutes, sum("value")::BIGINT AS steps
    FROM raw.readings_long WHERE metric = 'step_count' GROUP BY ALL
"""


def test_every_event_landed(real):
    """As many readings and devices landed as were sent; none was rejected."""
    sent = int(real.sent["wearables"].split()[-3].replace(",", ""))
    with real.lake() as lake:
        landed = lake.sql(
            "SELECT (SELECT count(*) FROM raw.readings) + (SELECT count(*) FROM raw.devices) AS n"
        ).item()
        rejects = lake.table("raw.rejects").height
    assert (landed, rejects) == (sent, 0)
    assert sent > 21_000


def test_hourly_steps(real, shared_data):
    """The sum of each person's each hour, and how many minutes it is of, are the file's: all of
    them.
    """
    minutes = pl.read_parquet(shared_data("fitbit_minute_steps.parquet"))
    expected = minutes.group_by(
        pl.col("Id").replace_strict(real.people, return_dtype=pl.String).alias("patient_id"),
        pl.col("ts").cast(pl.Datetime("us")).dt.truncate("1h").alias("hour"),
    ).agg(minutes=pl.len().cast(pl.Int64), steps=pl.col("steps").sum().cast(pl.Int64))
    with real.lake() as lake:
        found = lake.sql(HOURS)
    assert found.height == expected.height > 21_000
    assert found["steps"].sum() == minutes["steps"].sum()
    assert found.sort("patient_id", "hour").equals(expected.sort("patient_id", "hour"))


def test_heart_rate(real):
    """Every one of the 17,666 samples at its own second: the mean is 79.339, 10 gaps are longer
    than a minute.
    """
    with real.lake() as lake:
        samples = lake.sql(
            "SELECT sampled_at, value FROM raw.readings_long WHERE metric = 'heart_rate' ORDER BY 1"
        )
    gaps = samples["sampled_at"].diff().dt.total_seconds()
    assert samples.height == 17_666
    assert samples["value"].mean() == pytest.approx(79.339, abs=5e-4)
    assert gaps.filter(gaps > 60).len() == 10


def test_daily_totals(real):
    """The vendor's own totals of 940 days, apart from the minutes: quartiles, mean and extremes as
    published.
    """
    with real.lake() as lake:
        query = "SELECT value FROM raw.readings_long WHERE metric = 'daily_step_count'"
        totals = lake.sql(query)["value"]
    quartiles = [totals.quantile(q, "linear") for q in (0, 0.25, 0.5, 0.75, 1)]
    assert totals.len() == 940
    assert quartiles == [0, 3789.75, 7405.5, 10727, 36019]
    assert totals.mean() == pytest.approx(7637.9, abs=0.05)


def test_wearers_without_a_patient_wait(real):
    """Nobody enrolled the wearers: their readings are landed and listed, and make no day of any
    patient.
    """
    with real.lake() as lake:
        missing = lake.sql(
            "SELECT DISTINCT patient_id FROM raw.readings ANTI JOIN core.patients USING (patient_id)"
        )
    assert set(missing["patient_id"]) == set(real.people.values())
