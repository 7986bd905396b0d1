"""Other care: opioid dose, use of pain killers before and after, injections and surgery in the time
that is known.

Here: frames of core.care to frames of patients. Not here: times to surgery or rescue (marts/adtte),
summaries (marts/cohort_care).

Days are by the record's clock (local_time.py). A patient's care is known from the first record's
day, not before it, and up to the latest `reported_through` (else the latest record's day), not up
to today. A medication without an end lasts until the day before the patient's next record of that
kind and code, which replaces it; else, where `none_since_last` follows, until the report before
that, since when there was none; else until care is known no more.
"""

import polars as pl

from ..options import Cut
from .local_time import Clocks, with_clock, with_cut_day, with_local_day

WINDOW_DAYS = 28
MEDICATIONS = ("opioid", "analgesic")
# Each is a rescue procedure too: it ends a response, whatever the patient answers next
PROCEDURES = ("injection", "surgery")


def local_care(care: pl.DataFrame, clocks: Clocks) -> pl.DataFrame:
    """core.care with `on`, `ended_on`, `known_on`: local days of what happened, ended, was reported
    through.
    """
    frame = care.with_columns(_happened_at=pl.coalesce("occurred_at", "reported_through"))
    frame = with_clock(frame, at="_happened_at", clocks=clocks).drop("_happened_at")
    for at, into in (
        ("occurred_at", "on"),
        ("ended_at", "ended_on"),
        ("reported_through", "known_on"),
    ):
        frame = with_local_day(frame, at=at, into=into)
    return frame.drop("timezone")


def opioid_doses(care: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """`patient_id`, `opioid_mme_baseline`, `opioid_mme_latest`: mean dose, MME a day, over 28 days.

    `care`: of `local_care`; `people`: `patient_id`, `DAY1DT`. Baseline: the known days among the 28
    before Day 1; latest: the last 28 days of known care, where they begin at Day 1 or later and are
    all known. 0 where care is known and no opioid was taken; null where no care was reported for
    the days, or a dose in them is not known. Several codes add up.
    """
    frame = _windows(care, people)
    doses = medications(care, kinds=("opioid",))
    return (
        frame.join(_mean_dose(frame, doses, until="before_to"), on="patient_id", how="left")
        .join(_mean_dose(frame, doses, until="latest_to"), on="patient_id", how="left")
        .select(
            "patient_id",
            opioid_mme_baseline=pl.when("is_before_known").then("dose_before_to"),
            opioid_mme_latest=pl.when("is_latest_known").then("dose_latest_to"),
        )
    )


def medication_use(care: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """`patient_id` and `opioid_before`, `opioid_latest`, `analgesic_before`, `analgesic_latest`:
    taken on any day?

    `care`: of `local_care`; `people`: `patient_id`, `DAY1DT`. The windows of `opioid_doses`, known
    by the same rule: before = the known days of the 28 before Day 1; null where care is not known.
    One row per patient with any record of care.
    """
    frame = _windows(care, people)
    taken = medications(care, kinds=MEDICATIONS).join(frame, on="patient_id")
    flags = {}
    for name, until in (("before", "before_to"), ("latest", "latest_to")):
        first = pl.max_horizontal("begins", pl.col(until) - pl.duration(days=WINDOW_DAYS - 1))
        is_within = first <= pl.min_horizontal(
            pl.col("ends").fill_null(pl.col("known_through")), until
        )
        for kind in MEDICATIONS:
            flags[f"{kind}_{name}"] = ((pl.col("kind") == kind) & is_within).any()
    used = frame.join(taken.group_by("patient_id").agg(**flags), on="patient_id", how="left")
    return used.select(
        "patient_id",
        *(
            pl.when(f"is_{c.split('_')[1]}_known").then(pl.col(c).fill_null(False)).alias(c)
            for c in flags
        ),
    )


def procedures(care: pl.DataFrame, people: pl.DataFrame, *, cut: Cut) -> pl.DataFrame:
    """`patient_id`, `care_days`, `injection`, `surgery`: records on the known days from Day 1 on,
    and their number.

    `care`: of `local_care`; `people`: `patient_id`, `timezone`, `DAY1DT`, `DTHDT`. Known days run
    from Day 1 to the latest `reported_through` (no later than death and the data cut), both
    included; who has none is left out, and a record outside them does not count.
    """
    reported = care.group_by("patient_id").agg(reported_to=pl.col("known_on").max())
    reported = reported.join(with_cut_day(people, cut=cut), on="patient_id")
    until = pl.when(pl.col("reported_to").is_not_null()).then(
        pl.min_horizontal("reported_to", "DTHDT", "cut_on")
    )
    reported = reported.with_columns(
        until=until, care_days=(until - pl.col("DAY1DT")).dt.total_days() + 1
    )
    reported = reported.filter(pl.col("care_days") > 0)
    counted = care.join(reported, on="patient_id").filter(
        pl.col("on").is_between("DAY1DT", "until")
    )
    counts = counted.group_by("patient_id").agg(
        (pl.col("kind") == k).sum().cast(pl.Int64).alias(k) for k in PROCEDURES
    )
    frame = reported.select("patient_id", "care_days").join(counts, on="patient_id", how="left")
    return frame.with_columns(pl.col(PROCEDURES).fill_null(0)).sort("patient_id")


def _windows(care: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """The people with a record of care: the days that are known, the last day of both windows, and
    which is known.
    """
    reported = care.group_by("patient_id").agg(
        known_from=pl.col("on").min(), known_through=pl.max_horizontal("known_on", "on").max()
    )
    frame = people.join(reported, on="patient_id").with_columns(
        before_to=pl.col("DAY1DT") - pl.duration(days=1), latest_to=pl.col("known_through")
    )
    latest_from = pl.col("latest_to") - pl.duration(days=WINDOW_DAYS - 1)
    return frame.with_columns(
        is_before_known=pl.col("before_to").is_between("known_from", "known_through"),
        is_latest_known=(latest_from >= pl.col("DAY1DT")) & (latest_from >= pl.col("known_from")),
    )


def medications(care: pl.DataFrame, *, kinds: tuple[str, ...]) -> pl.DataFrame:
    """Records of the kinds with `begins` and `ends`, days; `ends` null = as long as care is
    known.
    """
    records = care.select(
        "patient_id",
        "care_id",
        "kind",
        "code",
        "daily_dose_mme",
        "known_on",
        at="occurred_at",
        begins="on",
        ends="ended_on",
    )
    taken = records.filter(pl.col("kind").is_in(kinds), pl.col("begins").is_not_null())
    replaced_on = (
        pl.col("begins")
        .shift(-1)
        .over("patient_id", "kind", "code", order_by=["begins", "care_id"])
    )
    taken = taken.with_columns(replaced_before=replaced_on - pl.duration(days=1))
    taken = taken.join(_stopped(records), on="care_id", how="left")
    stopped = pl.when(pl.col("stopped_on").is_not_null()).then(
        pl.max_horizontal("stopped_on", "begins")
    )
    implied = pl.min_horizontal("replaced_before", stopped)
    return taken.with_columns(ends=pl.coalesce("ends", implied)).drop(
        "stopped_on", "replaced_before", "at", "known_on"
    )


def _stopped(records: pl.DataFrame) -> pl.DataFrame:
    """`care_id` and `stopped_on`: of each record, how far care was known when `none_since_last`
    next said none.
    """
    known_from = pl.max_horizontal("begins", "known_on")
    ordered = (
        records.filter(pl.col("at").is_not_null())
        .sort("patient_id", "at", "care_id")
        .with_columns(known_before=known_from.cum_max().shift(1).over("patient_id"))
    )
    none = pl.when(pl.col("kind") == "none_since_last").then("known_before")
    return ordered.select("care_id", stopped_on=none.shift(-1).backward_fill().over("patient_id"))


def _mean_dose(frame: pl.DataFrame, doses: pl.DataFrame, *, until: str) -> pl.DataFrame:
    """`patient_id` and `dose_UNTIL`: the mean over the known ones of the 28 days up to and with
    that in `until`.
    """
    joined = frame.select("patient_id", "known_from", "known_through", until).join(
        doses, on="patient_id", how="left"
    )
    first = pl.max_horizontal(pl.col("begins"), pl.col(until) - pl.duration(days=WINDOW_DAYS - 1))
    last = pl.min_horizontal(pl.col("ends").fill_null(pl.col("known_through")), pl.col(until))
    days = (last - first).dt.total_days() + 1
    overlap = (
        pl.when(pl.col("begins").is_not_null() & (days > 0)).then(days).otherwise(0).fill_null(0)
    )
    unknown = ((pl.col("overlap") > 0) & pl.col("daily_dose_mme").is_null()).any()
    known_days = (
        ((pl.col(until) - pl.col("known_from")).dt.total_days() + 1).clip(1, WINDOW_DAYS).first()
    )
    total = (pl.col("overlap") * pl.col("daily_dose_mme")).sum() / known_days
    return (
        joined.with_columns(overlap=overlap)
        .group_by("patient_id")
        .agg(pl.when(~unknown).then(total).alias(f"dose_{until}"))
    )
