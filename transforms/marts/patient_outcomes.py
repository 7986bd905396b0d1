"""mart.patient_outcomes: a row a patient, in the study in which he or she was treated first:
baseline, latest and change of each headline outcome, counts, reasons.

Outcomes are of the first treatment episode; a response ends with the first opioid begun, injection,
surgery or rescue (composite), as in the summaries.

Here: which parameter stands for pain, disability and quality of life, and the assembly. Not here:
the parameters themselves (adqs, adact), sustained response (durability), opioid dose (care).
"""

import polars as pl

from ..facts.headlines import HEADLINES, PAIN_PARAMETERS
from ..facts.limits import FLAGS
from ..facts.responses import RESPONDER_RULES
from ..facts.sessions import BEGUN, DELIVERED
from ..options import Cut, Options
from ..rules import care as care_rules
from ..rules import durability, pain
from ..rules.exposure import of_patients
from ..rules.intercurrent import with_first_event
from ..rules.local_time import clocks
from ..schemas import MART_TABLES
from .cohort_responses import RULES
from .stamp import stamped
from .strata import COUNTS_ONCE, dimensions_of

TABLE = MART_TABLES["patient_outcomes"]
INPUTS = (
    "mart.adsl",
    "mart.adqs",
    "mart.adact",
    "mart.adex",
    "mart.adae",
    "mart.subject_episodes",
    "core.courses",
    "core.care",
    "core.activity_days",
    "core.patients",
    "core.clinics",
    "core.patient_status",
)
METRIC = "patient_outcomes"

_BEGUN = pl.col("EXSTAT").is_in(BEGUN)


def compute(
    keys,
    *,
    adsl,
    adqs,
    adact,
    adex,
    adae,
    subject_episodes,
    courses,
    care,
    activity_days,
    patients,
    clinics,
    patient_status,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """Conforms to `mart.patient_outcomes`. `keys`: frame of `patient_id`, None = all.

    A count is 0 where nothing was recorded; a value that can't be given is null, with its reason.
    """
    first = dimensions_of(adsl).filter(COUNTS_ONCE)
    people = of_patients(_people(adsl, first), keys)
    adqs, adact = (
        frame.filter(pl.col("FRSTEPFL") == "Y").join(first, on=["STUDYID", "USUBJID"], how="semi")
        for frame in (adqs, adact)
    )
    measured = pl.concat([_measured(adqs), _measured(adact)], how="diagonal")
    whose = clocks(patients=patients, clinics=clinics, patient_status=patient_status)
    care = care_rules.local_care(of_patients(care, keys), whose)
    events = _first_events(
        subject_episodes.join(first, on=["STUDYID", "USUBJID"], how="semi"), care
    )
    parts = [_outcome(o.id, measured, o.parameters) for o in HEADLINES.values()]
    parts += [_why_not(o.id, (adqs, adact), o.parameters) for o in HEADLINES.values()]
    parts += [
        _response(adqs, events, options=options),
        _sessions(adex, courses),
        _harm(adae),
        _wear(activity_days, options=options),
    ]
    parts.append(care_rules.opioid_doses(care, people.select("patient_id", "DAY1DT")))
    for part in parts:
        people = people.join(part, on="patient_id", how="left", maintain_order="left")
    counts = (
        "sessions_delivered",
        "protocol_deviations",
        "sessions_not_cleared",
        "adverse_events",
        "serious_adverse_events",
    )
    people = people.with_columns(pl.col(counts).fill_null(0), **_reasons())
    people = people.with_columns(metric_id=pl.lit(METRIC), is_suppressed=pl.lit(True))
    return TABLE.conform(stamped(people, cut=cut)).sort("patient_id")


def _people(adsl: pl.DataFrame, first: pl.DataFrame) -> pl.DataFrame:
    """A row a patient: as the subject who stands for the patient, with the sessions of all of
    them.
    """
    sessions = pl.col("NSESS").sum().over("USUBJID")
    frame = adsl.with_columns(NSESS=sessions).join(first, on=["STUDYID", "USUBJID"])
    return frame.select(
        "study_id",
        "arm",
        "DAY1DT",
        patient_id="USUBJID",
        clinic_id="SITEID",
        modality="MODALITY",
        indication="INDICATN",
        age_years="AGE",
        sex="SEX",
        status="EOSSTT",
        sessions_delivered="NSESS",
        first_session_on="TRTSDT",
        last_contact_on="LSTCONDT",
    )


# --- outcomes -----------------------------------------------------------------------------------


def _measured(mart: pl.DataFrame) -> pl.DataFrame:
    """Assessments with a value in the columns that adqs and adact share; `at` orders a
    patient's.
    """
    at = (
        pl.col("ADTM").dt.replace_time_zone(None)
        if "ADTM" in mart.columns
        else pl.col("ADT").cast(pl.Datetime("us"))
    )
    return mart.filter(pl.col("AVAL").is_not_null()).select(
        "USUBJID", "PARAMCD", "ADT", "AVAL", "BASE", "CHG", "CHGCAT1", "ABLFL", at=at
    )


def _outcome(name: str, measured: pl.DataFrame, parameters: tuple[str, ...]) -> pl.DataFrame:
    """Baseline, latest value after it (without a baseline: latest of all) and change; and the
    parameter.
    """
    rows = pain.headline(measured, parameters=parameters)
    latest = rows.filter(pl.col("CHG").is_not_null() | pl.col("BASE").is_null()).sort(
        "USUBJID", "at", "ADT"
    )
    latest = latest.unique("USUBJID", keep="last", maintain_order=True).select(
        "USUBJID",
        pl.col("AVAL").alias(f"{name}_latest"),
        pl.col("ADT").alias(f"{name}_latest_on"),
        pl.col("CHG").alias(f"{name}_change"),
        pl.col("CHGCAT1").alias(f"{name}_change_class"),
    )
    base = rows.group_by("USUBJID").agg(
        pl.col("BASE").first().alias(f"{name}_baseline"),
        pl.col("PARAMCD").first().alias(f"{name}_parameter"),
    )
    return base.join(latest, on="USUBJID", how="left").rename({"USUBJID": "patient_id"})


def _why_not(
    name: str, marts: tuple[pl.DataFrame, ...], parameters: tuple[str, ...]
) -> pl.DataFrame:
    """The latest reason for which the outcome could not be given at an assessment; column
    `NAME_why_not`.
    """
    columns = ["USUBJID", "ADT", "NEREASON"]
    rows = pl.concat(
        [
            m.filter(pl.col("PARAMCD").is_in(parameters) & pl.col("AVAL").is_null()).select(columns)
            for m in marts
        ]
    )
    latest = (
        rows.drop_nulls("NEREASON")
        .sort("USUBJID", "ADT", "NEREASON")
        .group_by(patient_id="USUBJID", maintain_order=True)
    )
    return latest.agg(pl.col("NEREASON").last().alias(f"{name}_why_not"))


def _reasons() -> dict[str, pl.Expr]:
    """Why an outcome's change can't be given; null where it can."""
    return {
        f"{name}_reason": pl.when(pl.col(f"{name}_parameter").is_null())
        .then(pl.coalesce(f"{name}_why_not", pl.lit("never measured")))
        .when(pl.col(f"{name}_baseline").is_null())
        .then(pl.lit("no baseline"))
        .when(pl.col(f"{name}_change").is_null())
        .then(pl.lit("no value after the baseline"))
        for name in HEADLINES
    } | {
        "sustained_reason": pl.coalesce(
            "sustained_reason",
            pl.when(pl.col("is_sustained_responder").is_null()).then(
                pl.lit("no evaluable pain assessment after a baseline")
            ),
        )
    }


def _first_events(episodes: pl.DataFrame, care: pl.DataFrame) -> pl.DataFrame:
    """USUBJID and `event_on`, the day of the first intercurrent event of the first episode."""
    first = episodes.filter(pl.col("FRSTEPFL") == "Y").select(
        "USUBJID", "DAY1DT", patient_id="USUBJID", windows_to="WINENDT"
    )
    return with_first_event(first, care).select("USUBJID", "event_on")


def _response(adqs: pl.DataFrame, events: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """The responder rules at the latest pain assessment, none met from the day of the first
    intercurrent event on, and sustained response.
    """
    judged = pain.headline(adqs, parameters=PAIN_PARAMETERS).filter(pl.col("CHG").is_not_null())
    latest = judged.sort("USUBJID", "ADTM", "EVENTID").unique(
        "USUBJID", keep="last", maintain_order=True
    )
    flags = {
        "is_responder_30_pct": 1,
        "is_responder_50_pct": 2,
        "is_responder_points": 3,
        "is_worse": 4,
    }
    latest = _as_composite(latest, events).select(
        "USUBJID", **{name: pl.col(f"CRIT{k}FL") == "Y" for name, k in flags.items()}
    )
    lasting = lasting_response(adqs, events, options=options)
    return latest.join(lasting, on="USUBJID", how="left").rename({"USUBJID": "patient_id"})


def _as_composite(judged: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Assessments with `event_on`; from that day on no rule that can be judged is met."""
    judged = judged.join(
        events.select("USUBJID", "event_on"), on="USUBJID", how="left", maintain_order="left"
    )
    is_after = (pl.col("event_on") <= pl.col("ADT")).fill_null(False)
    flags = [RULES[rule.name] for rule in RESPONDER_RULES.values() if not rule.is_worsening]
    return judged.with_columns(
        pl.when(is_after & pl.col(flag).is_not_null()).then(pl.lit("N")).otherwise(flag).alias(flag)
        for flag in flags
    )


def lasting_response(adqs: pl.DataFrame, events: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """A row a USUBJID with an evaluable pain assessment: `is_sustained_responder`,
    `sustained_reason`.

    `events`: USUBJID and `event_on`, the day of the first intercurrent event (null = none): what
    was not confirmed before it is no sustained response any more, with two assessments or without.
    """
    judged = pain.headline(adqs, parameters=PAIN_PARAMETERS).filter(pl.col("CHG").is_not_null())
    judged = _as_composite(judged, events)
    lasting = durability.sustained(judged, min_days=options.sustained_min_days)
    failed = judged.filter(pl.col("event_on").is_not_null())["USUBJID"].unique()
    is_failed = pl.col("USUBJID").is_in(failed.implode()) & pl.col("is_sustained").is_null()
    return lasting.select(
        "USUBJID",
        is_sustained_responder=pl.when(is_failed).then(False).otherwise("is_sustained"),
        sustained_reason=pl.when(~is_failed).then("reason"),
    )


# --- counts -------------------------------------------------------------------------------------


def _sessions(adex: pl.DataFrame, courses: pl.DataFrame) -> pl.DataFrame:
    """Adherence: sessions delivered of a prescribed course, or of none named, over the sessions
    prescribed.
    """
    prescribed = courses.filter(pl.col("prescribed_sessions").is_not_null())
    of_course = pl.col("COURSEID").is_null() | pl.col("COURSEID").is_in(
        prescribed["course_id"].implode()
    )
    counts = adex.group_by(patient_id="USUBJID").agg(
        protocol_deviations=(
            _BEGUN & pl.any_horizontal(pl.col(FLAGS) == "Y").fill_null(False)
        ).sum(),
        sessions_not_cleared=(
            _BEGUN & ((pl.col("CLEARFL") == "N") | (pl.col("CONTRAFL") == "Y")).fill_null(False)
        ).sum(),
        delivered=((pl.col("EXSTAT") == DELIVERED) & of_course).sum(),
    )
    due = prescribed.group_by("patient_id").agg(
        sessions_prescribed=pl.col("prescribed_sessions").sum()
    )
    joined = counts.join(due, on="patient_id", how="full", coalesce=True)
    ratio = pl.col("delivered").fill_null(0) / pl.col("sessions_prescribed")
    return joined.with_columns(
        adherence_ratio=pl.when(pl.col("sessions_prescribed") > 0).then(ratio)
    ).drop("delivered")


def _harm(adae: pl.DataFrame) -> pl.DataFrame:
    """Adverse events, those within the clean window of an earlier one of the same term not counted
    again.
    """
    new = adae.filter(pl.col("NEWFL").fill_null("Y") == "Y")
    return new.group_by(patient_id="USUBJID").agg(
        adverse_events=pl.len(), serious_adverse_events=(pl.col("AESER") == "Y").sum()
    )


def _wear(activity_days: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """Valid days and mean wear of the days worn; of two devices of one day the one worn longest
    counts.
    """
    days = activity_days.group_by("patient_id", "day").agg(hours=pl.col("wear_minutes").max() / 60)
    return days.group_by("patient_id").agg(
        valid_wear_days=(pl.col("hours") >= options.valid_day_wear_h).sum(),
        mean_wear_h=pl.col("hours").filter(pl.col("hours") > 0).sort().mean(),
    )
