"""mart.adtte: one row a patient and study (or event of a patient) and time-to-event parameter.

Here: when each clock starts, what ends it, what censors. Not here: the curves (survival_curves.py)
and the rules of response and relapse (rules/durability.py).

TTSURG, TTRESC: from Day 1 to the first surgery, or rescue, known from core.care. Care-free time
ends at the last `reported_through`, not today, and at death. TTSURGA, TTRESCA: the same from
allocation (else enrolment), for patients in an arm: only these compare arms. TTAE: from the first
session that began to the first event of known onset in the first stretch of time at risk
(mart.time_at_risk), as in the rates; censored where that ends, of whatever follows a gap there is
none. TTCOLD: the same of a group of terms (facts/event_groups.py). TTAERES, TTAEREC: from an
event's onset to its resolution, with or without sequelae, or without alone; in days counted as
ADURN (last - first + 1); censored at the last contact or death. TTLOSS, TTRELAPS: of the patient's
pain parameter, an NRS, within the first treatment episode: what follows the beginning of the next
one's baseline is none of it. TTRETRT: from Day 1 of the first episode to the next, or to what came first
(rules/retreatment.py). All other times are days elapsed: ADT - STARTDT.
"""

import polars as pl

from ..facts.competing_events import RETREATMENT
from ..facts.event_groups import GROUPS
from ..facts.sessions import DELIVERED
from ..options import Cut, Options
from ..rules.care import local_care
from ..rules.exposure import of_patients
from ..rules.local_time import clocks, with_cut_day
from ..rules.retreatment import retreatment
from ..schemas import MART_TABLES
from .durability_times import durability_times
from .event_times import first_events, resolutions, timed
from .strata import of_subjects, per_subject, subject

TABLE = MART_TABLES["adtte"]
INPUTS = (
    "mart.adsl",
    "mart.adqs",
    "mart.adex",
    "mart.adae",
    "mart.subject_episodes",
    "mart.time_at_risk",
    "core.care",
    "core.patients",
    "core.clinics",
    "core.patient_status",
)
PARAMETERS = {
    "TTSURG": "Time from Day 1 to surgery",
    "TTRESC": "Time from Day 1 to rescue care",
    "TTSURGA": "Time from allocation to surgery",
    "TTRESCA": "Time from allocation to rescue care",
    "TTAE": "Time from the first session to the first treatment-emergent adverse event",
    **{
        g.parameter: f"Time from the first session to the first {g.title.lower()}"
        for g in GROUPS.values()
    },
    "TTAERES": "Time to resolution of an adverse event, with or without sequelae",
    "TTAEREC": "Time to resolution of an adverse event without sequelae",
    "TTLOSS": "Time from confirmed response to its loss",
    "TTRELAPS": "Time from a pain-free month to relapse",
    RETREATMENT: "Time from Day 1 to the first session of the next episode",
}
FROM_ALLOCATION = ("TTSURGA", "TTRESCA")


def compute(
    keys: pl.DataFrame | None,
    *,
    adsl: pl.DataFrame,
    adqs: pl.DataFrame,
    adex: pl.DataFrame,
    adae: pl.DataFrame,
    subject_episodes: pl.DataFrame,
    time_at_risk: pl.DataFrame,
    care: pl.DataFrame,
    patients: pl.DataFrame,
    clinics: pl.DataFrame,
    patient_status: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """Columns of MART_TABLES["adtte"]; `keys` is a frame of `patient_id`, None = all."""
    adsl = of_patients(adsl.with_columns(patient_id="USUBJID"), keys).with_columns(
        USUBJID=subject()
    )
    people = with_cut_day(adsl.with_columns(timezone="TIMEZONE"), cut=cut)
    whose = clocks(patients=patients, clinics=clinics, patient_status=patient_status)
    care = local_care(care.join(people, on="patient_id", how="semi"), whose)
    care = per_subject(care, people).with_columns(USUBJID="patient_id")
    adqs, adex, adae = (of_subjects(frame) for frame in (adqs, adex, adae))
    adae = adae.join(people, on="USUBJID", how="semi")
    parts = [
        *_care_times(people, care),
        *first_events(people, adex, adae, time_at_risk),
        *resolutions(people, adae),
        *_durability(people, adqs, care, of_subjects(subject_episodes), options=options),
        _retreatment(people, adex, care, patient_status),
    ]
    named = [
        part.with_columns(PARAMCD=pl.lit(code), PARAM=pl.lit(PARAMETERS[code]))
        for code, part in zip(PARAMETERS, parts, strict=True)
    ]
    head = people.select("USUBJID", "STUDYID", "SITEID", "patient_id")
    rows = pl.concat(named, how="diagonal_relaxed").drop(
        "STUDYID", "SITEID", "patient_id", strict=False
    )
    rows = rows.join(head, on="USUBJID").with_columns(USUBJID="patient_id")
    return TABLE.conform(rows).sort(TABLE.key, nulls_last=False)


# --- care ---------------------------------------------------------------------------------------


def _care_times(people: pl.DataFrame, care: pl.DataFrame) -> list[pl.DataFrame]:
    surgery, rescue = pl.col("kind") == "surgery", pl.col("is_rescue").fill_null(False)
    in_arm = people.filter(_is_in_arm()).with_columns(STARTDT=pl.coalesce("ALLOCDT", "ENRLDT"))
    from_day_1 = people.with_columns(STARTDT="DAY1DT")
    return [
        _care_time(group, care, wanted=wanted, what=what)
        for group in (from_day_1, in_arm)
        for wanted, what in ((surgery, "surgery"), (rescue, "rescue care"))
    ]


def _is_in_arm() -> pl.Expr:
    """A masked arm is an arm."""
    return pl.col("ARM").is_not_null() | (pl.col("MASKFL") == "Y").fill_null(False)


def _care_time(
    people: pl.DataFrame, care: pl.DataFrame, *, wanted: pl.Expr, what: str
) -> pl.DataFrame:
    """From STARTDT to the first record that is `wanted`, on that day or after it."""
    reports = care.group_by("USUBJID").agg(known_on=pl.col("known_on").max())
    events = care.filter(wanted).join(people.select("USUBJID", "STARTDT"), on="USUBJID")
    events = events.filter(pl.col("on") >= pl.col("STARTDT")).sort("on", "care_id")
    first = events.unique("USUBJID", keep="first", maintain_order=True)
    first = first.select("USUBJID", event_on="on", EVENTID="event_id", what=pl.lit(what))
    frame = (
        people.drop("EVENTID")
        .join(reports, on="USUBJID", how="left")
        .join(first, on="USUBJID", how="left")
    )
    no_event = pl.col("event_on").is_null()
    return timed(
        frame,
        censors={"care reported up to here": pl.col("known_on"), "death": pl.col("DTHDT")},
        missing={
            "no report of how far care is known": no_event & pl.col("known_on").is_null(),
            "no care reported after the start": no_event
            & (pl.min_horizontal("known_on", "DTHDT") < pl.col("STARTDT")).fill_null(False),
        },
    )


# --- response -----------------------------------------------------------------------------------


def _durability(
    people: pl.DataFrame,
    adqs: pl.DataFrame,
    care: pl.DataFrame,
    episodes: pl.DataFrame,
    *,
    options: Options,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Loss of response and relapse in the first episode, to the end of its windows."""
    first = episodes.filter(pl.col("FRSTEPFL") == "Y").join(people, on="USUBJID", how="semi")
    own = adqs.join(first.select("USUBJID", "APERIOD"), on=["USUBJID", "APERIOD"], nulls_equal=True)
    return durability_times(own, care, first.select("USUBJID", "WINENDT"), options=options)


# --- the next episode ---------------------------------------------------------------------------


def _retreatment(
    people: pl.DataFrame, adex: pl.DataFrame, care: pl.DataFrame, patient_status: pl.DataFrame
) -> pl.DataFrame:
    surgeries = care.filter(pl.col("kind") == "surgery")
    withdrawals = patient_status.filter(pl.col("status") == "withdrew")
    return retreatment(
        people,
        delivered=adex.filter(pl.col("EXSTAT") == DELIVERED),
        surgeries=surgeries.select("USUBJID", "on", EVENTID="event_id"),
        withdrawals=withdrawals.select("patient_id", withdrew_on="effective_on"),
    )
