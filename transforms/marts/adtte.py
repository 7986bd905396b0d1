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
from ..facts.sessions import BEGUN
from ..options import Cut, Options
from ..rules import durability, pain
from ..rules.care import PROCEDURES, local_care
from ..rules.exposure import of_patients
from ..rules.local_time import clocks, with_cut_day, with_local_day
from ..rules.retreatment import retreatment
from ..rules.safety import with_event_number
from ..rules.time_at_risk import joined
from ..schemas import MART_TABLES
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
# What ends the time at risk -> why a first event is censored
CENSORED_BY = {
    "death": "death",
    "withdrawal": "withdrawal from follow-up",
    "lost": "last contact",
    "data_cut": "data cut",
    "risk_window": "end of the risk window",
}
TOO_EARLY = "follow-up ended before the start"


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
        *_first_events(people, adex, adae, time_at_risk),
        *_resolutions(people, adae),
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


def _timed(
    frame: pl.DataFrame, *, censors: dict[str, pl.Expr], missing: dict[str, pl.Expr]
) -> pl.DataFrame:
    """The frame (`STARTDT`, `event_on`, `what`) with AVAL, CNSR, ADT and texts.

    `censors`: why to day, the earliest counts and of equal ones the first; `missing`: why no time
    can be given. An event on the day of censoring is an event. Censored before the start there is
    no time: none is negative.
    """
    censored_on = pl.min_horizontal(*censors.values())
    is_event = pl.col("event_on").is_not_null()
    frame = frame.with_columns(ADT=pl.coalesce("event_on", censored_on))
    why = pl.lit(None, pl.String)
    for text, day in reversed(censors.items()):
        why = pl.when(day == censored_on).then(pl.lit(text)).otherwise(why)
    is_too_early = ~is_event & (censored_on < pl.col("STARTDT")).fill_null(False)
    reason = pl.when(is_too_early).then(pl.lit(TOO_EARLY))
    for text, is_so in reversed(missing.items()):
        reason = pl.when(is_so).then(pl.lit(text)).otherwise(reason)
    frame = frame.with_columns(NEREASON=reason).with_columns(given=pl.col("NEREASON").is_null())
    given = pl.when("given")
    return frame.with_columns(
        AVAL=given.then((pl.col("ADT") - pl.col("STARTDT")).dt.total_days().cast(pl.Float64)),
        CNSR=given.then(1 - is_event.cast(pl.Int64)),
        ADT=given.then("ADT"),
        EVNTDESC=pl.when(pl.col("given") & is_event).then("what"),
        CNSDTDSC=pl.when(pl.col("given") & ~is_event).then(why),
    )


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
    known = care.group_by("USUBJID").agg(known_on=pl.col("known_on").max())
    found = care.filter(wanted).join(people.select("USUBJID", "STARTDT"), on="USUBJID")
    found = found.filter(pl.col("on") >= pl.col("STARTDT")).sort("on", "care_id")
    first = found.unique("USUBJID", keep="first", maintain_order=True)
    first = first.select("USUBJID", event_on="on", EVENTID="event_id", what=pl.lit(what))
    frame = (
        people.drop("EVENTID")
        .join(known, on="USUBJID", how="left")
        .join(first, on="USUBJID", how="left")
    )
    no_event = pl.col("event_on").is_null()
    return _timed(
        frame,
        censors={"care reported up to here": pl.col("known_on"), "death": pl.col("DTHDT")},
        missing={
            "no report of how far care is known": no_event & pl.col("known_on").is_null(),
            "no care reported after the start": no_event
            & (pl.min_horizontal("known_on", "DTHDT") < pl.col("STARTDT")).fill_null(False),
        },
    )


# --- adverse events -----------------------------------------------------------------------------


def _first_events(
    people: pl.DataFrame, adex: pl.DataFrame, adae: pl.DataFrame, time_at_risk: pl.DataFrame
) -> list[pl.DataFrame]:
    """A frame a parameter: of any event, and of each group of terms."""
    begun = adex.filter(pl.col("EXSTAT").is_in(BEGUN)).group_by("USUBJID")
    begun = begun.agg(STARTDT=pl.col("ASTDT").min(), began_at=pl.col("EXSTDTM").min()).drop_nulls()
    followed = people.drop("EVENTID").join(begun, on="USUBJID")
    followed = followed.join(_stretches(time_at_risk), on="patient_id")
    followed = followed.filter(pl.col("began_at").is_between("from_at", "to_at"))
    # the end of a stretch is no record's moment: its day is the subject's, as Day 1 is
    followed = with_local_day(followed, at="to_at", into="ended_on")
    of_event = {"began_on": "ASTDT", "is_in_time": "ATRISKFL"}
    records = with_event_number(adae).with_columns(
        pl.col(column).first().over("event_number").alias(name) for name, column in of_event.items()
    )
    groups = [pl.lit(True), *(group.members() for group in GROUPS.values())]
    return [_first_event(followed, records.filter(is_meant)) for is_meant in groups]


def _stretches(time_at_risk: pl.DataFrame) -> pl.DataFrame:
    """A row a patient and time at risk without a gap: `from_at`, `to_at`, `ended_by`."""
    whole = joined(time_at_risk.select("patient_id", "from_at", "to_at"))
    ends = time_at_risk.select("patient_id", "to_at", "ended_by").filter(
        pl.col("ended_by") != "next_episode"
    )
    return whole.join(ends, on=["patient_id", "to_at"], how="left")


def _first_event(followed: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    known = records.filter(pl.col("is_in_time") == "Y").sort("event_at", "AESEQ")
    known = known.join(followed.select("USUBJID", "began_at", "to_at"), on="USUBJID")
    known = known.filter(pl.col("event_at").is_between("began_at", "to_at"))
    first = known.unique("USUBJID", keep="first", maintain_order=True)
    first = first.select("USUBJID", "EVENTID", event_on="began_on", what="AEDECOD")
    unknown = (
        records.filter(pl.col("event_at").is_null() & (pl.col("TRTEMFL") == "Y"))
        .select("USUBJID")
        .unique()
    )
    unknown = unknown.with_columns(is_undated=True)
    frame = followed.join(first, on="USUBJID", how="left").join(unknown, on="USUBJID", how="left")
    # an event is told of where it happened, whose day may be another than that of the patient's
    # clinic
    not_before = pl.max_horizontal("event_on", "STARTDT")
    frame = frame.with_columns(event_on=pl.when(pl.col("event_on").is_not_null()).then(not_before))
    censors = {
        text: pl.when(pl.col("ended_by") == end).then("ended_on")
        for end, text in CENSORED_BY.items()
    }
    return _timed(
        frame,
        censors=censors,
        missing={
            "an onset that is not known": pl.col("event_on").is_null()
            & pl.col("is_undated").fill_null(False)
        },
    )


def _resolutions(people: pl.DataFrame, adae: pl.DataFrame) -> list[pl.DataFrame]:
    """Two frames of a row an event: resolved at all, and resolved without sequelae (with them is
    censoring).
    """
    columns = ["USUBJID", "DTHDT", "LSTCONDT"]
    frame = adae.join(people.select(columns), on="USUBJID").with_columns(
        SRCID="AEID", STARTDT="ASTDT"
    )
    sequelae = (pl.col("AEOUT") == "resolved_with_sequelae").fill_null(False)
    ended = pl.col("AENDT").is_not_null() & (pl.col("AEOUT") != "fatal").fill_null(True)
    with_sequelae = pl.lit("resolved with sequelae")
    last = pl.max_horizontal("LSTCONDT", "STARTDT")
    parts = []
    for is_any in (True, False):
        counted = ended if is_any else ended & ~sequelae
        part = frame.with_columns(
            event_on=pl.when(counted).then("AENDT"),
            what=pl.when(sequelae).then(with_sequelae).otherwise(pl.lit("resolved")),
        )
        timed = _timed(
            part,
            censors={
                "death": pl.col("DTHDT"),
                "resolved with sequelae": pl.when(ended & sequelae).then("AENDT"),
                "last contact": last,
            },
            missing={
                "onset not known": pl.col("STARTDT").is_null(),
                "ended before it began": (pl.col("AENDT") < pl.col("STARTDT")).fill_null(False),
                "death before the onset": (pl.col("DTHDT") < pl.col("STARTDT")).fill_null(False),
            },
        )
        parts.append(timed.with_columns(AVAL=pl.col("AVAL") + 1))
    return parts


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
    first = episodes.filter(pl.col("FRSTEPFL") == "Y")
    first = first.join(people, on="USUBJID", how="semi").select("USUBJID", "APERIOD", "WINENDT")
    own = adqs.join(first, on=["USUBJID", "APERIOD"], nulls_equal=True)
    own = own.filter(_is_before_end("ADT"))
    judged = pain.headline(own, parameters=pain.PAIN_PARAMETERS)
    judged = judged.filter(pl.col("PARAMCD").str.starts_with("NRS") & pl.col("CHG").is_not_null())
    procedures = care.filter(pl.col("kind").is_in(PROCEDURES)).join(first, on="USUBJID")
    rescues = procedures.filter(_is_before_end("on")).select("USUBJID", rescued_on="on")
    loss = durability.loss_of_response(judged, rescues=rescues, min_days=options.sustained_min_days)
    return loss, durability.relapse(judged)


def _is_before_end(day: str) -> pl.Expr:
    """Whether the windows of the row's episode have not ended before the day."""
    return (pl.col(day) <= pl.col("WINENDT")) | pl.col("WINENDT").is_null()


# --- the next episode ---------------------------------------------------------------------------


def _retreatment(
    people: pl.DataFrame, adex: pl.DataFrame, care: pl.DataFrame, patient_status: pl.DataFrame
) -> pl.DataFrame:
    surgeries = care.filter(pl.col("kind") == "surgery")
    withdrawals = patient_status.filter(pl.col("status") == "withdrew")
    return retreatment(
        people,
        delivered=adex.filter(pl.col("EXSTAT") == "delivered"),
        surgeries=surgeries.select("USUBJID", "on", EVENTID="event_id"),
        withdrawals=withdrawals.select("patient_id", withdrew_on="effective_on"),
    )
