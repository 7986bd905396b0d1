"""Other care: opioid dose before and after.

Here: frames of core.care to frames of patients. Not here: times to surgery or rescue (marts/adtte).

A patient's care is known from the first record's day, not before it, and up to the latest `reported_through` (else
the latest record's day), not up to today.
"""

import polars as pl

WINDOW_DAYS = 28


def opioid_doses(care: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """`patient_id`, `opioid_mme_baseline`, `opioid_mme_latest`: mean dose, MME a day, over 28 days.

    `people`: `patient_id`, `DAY1DT`. Baseline: the known days among the 28 before Day 1; latest: the last 28 days of
    known care, where they begin at Day 1 or later and are all known. 0 where care is known and no opioid was taken;
    null where no care was reported for the days, or a dose in them is not known. A record without an end lasts until
    the patient's next record of that code, which replaces it, else until care is known no more; records of several
    codes add up.
    """
    known = care.group_by("patient_id").agg(
        known_from=pl.col("occurred_at").min().dt.date(),
        known_through=pl.max_horizontal(pl.col("reported_through"), pl.col("occurred_at")).max().dt.date()
    )
    frame = people.join(known, on="patient_id").with_columns(
        before_to=pl.col("DAY1DT") - pl.duration(days=1), latest_to=pl.col("known_through")
    )
    doses = care.filter(pl.col("kind") == "opioid").select(
        "patient_id", "code", "care_id", "daily_dose_mme", begins=pl.col("occurred_at").dt.date(),
        ends=pl.col("ended_at").dt.date(),
    )  # fmt: skip
    replaced_on = pl.col("begins").shift(-1).over("patient_id", "code", order_by=["begins", "care_id"])
    doses = doses.with_columns(ends=pl.coalesce("ends", replaced_on - pl.duration(days=1)))
    latest_from = pl.col("latest_to") - pl.duration(days=WINDOW_DAYS - 1)
    latest_is_after = (latest_from >= pl.col("DAY1DT")) & (latest_from >= pl.col("known_from"))
    before_is_known = pl.col("before_to").is_between("known_from", "known_through")
    return (
        frame.join(_mean_dose(frame, doses, until="before_to"), on="patient_id", how="left")
        .join(_mean_dose(frame, doses, until="latest_to"), on="patient_id", how="left")
        .select(
            "patient_id",
            opioid_mme_baseline=pl.when(before_is_known).then("dose_before_to"),
            opioid_mme_latest=pl.when(latest_is_after).then("dose_latest_to"),
        )
    )


def _mean_dose(frame: pl.DataFrame, doses: pl.DataFrame, *, until: str) -> pl.DataFrame:
    """`patient_id` and `dose_UNTIL`: the mean over the known ones of the 28 days up to and with that in `until`."""
    joined = frame.select("patient_id", "known_from", "known_through", until).join(doses, on="patient_id", how="left")
    first = pl.max_horizontal(pl.col("begins"), pl.col(until) - pl.duration(days=WINDOW_DAYS - 1))
    last = pl.min_horizontal(pl.col("ends").fill_null(pl.col("known_through")), pl.col(until))
    days = (last - first).dt.total_days() + 1
    overlap = pl.when(pl.col("begins").is_not_null() & (days > 0)).then(days).otherwise(0).fill_null(0)
    unknown = ((pl.col("overlap") > 0) & pl.col("daily_dose_mme").is_null()).any()
    known_days = ((pl.col(until) - pl.col("known_from")).dt.total_days() + 1).clip(1, WINDOW_DAYS).first()
    total = (pl.col("overlap") * pl.col("daily_dose_mme")).sum() / known_days
    return joined.with_columns(overlap=overlap).group_by("patient_id").agg(
        pl.when(~unknown).then(total).alias(f"dose_{until}")
    )  # fmt: skip
