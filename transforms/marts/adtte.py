"""mart.adtte: one row a patient (or event of a patient) and time-to-event parameter.

Here: when each clock starts, what ends it, what censors. Not here: the curves (survival_curves.py) and the rules of
response and relapse (durability.py).

TTSURG, TTRESC: from Day 1 to the first surgery, or rescue, known from core.care. Care-free time ends at the last
`reported_through`, not today, and at death. TTSURGA, TTRESCA: the same from allocation (else enrolment), for patients
in an arm: only these compare arms. TTAE: from the first session that began to the first treatment-emergent event with
a known onset; censored where the risk window ends, at the end of follow-up (not one before the first session: who left
may come back) or at the last contact. TTAERES, TTAEREC:
from an event's onset to its resolution, with or without sequelae, or without alone; in days counted as ADURN (last -
first + 1); censored at the last contact or death. TTLOSS, TTRELAPS: of the patient's pain parameter, an NRS.
All other times are days elapsed: ADT - STARTDT.
"""

import polars as pl

from .. import durability, pain
from ..care import PROCEDURES, local_care
from ..exposure import BEGUN, of_patients
from ..local_time import with_cut_day
from ..options import Cut, Options
from ..schemas import MART_TABLES

TABLE = MART_TABLES["adtte"]
INPUTS = ("mart.adsl", "mart.adqs", "mart.adex", "mart.adae", "core.care")
PARAMETERS = {
    "TTSURG": "Time from Day 1 to surgery",
    "TTRESC": "Time from Day 1 to rescue care",
    "TTSURGA": "Time from allocation to surgery",
    "TTRESCA": "Time from allocation to rescue care",
    "TTAE": "Time from the first session to the first treatment-emergent adverse event",
    "TTAERES": "Time to resolution of an adverse event, with or without sequelae",
    "TTAEREC": "Time to resolution of an adverse event without sequelae",
    "TTLOSS": "Time from confirmed response to its loss",
    "TTRELAPS": "Time from a pain-free month to relapse",
}
FROM_ALLOCATION = ("TTSURGA", "TTRESCA")
TOO_EARLY = "follow-up ended before the start"


def compute(
    keys: pl.DataFrame | None,
    *,
    adsl: pl.DataFrame,
    adqs: pl.DataFrame,
    adex: pl.DataFrame,
    adae: pl.DataFrame,
    care: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """Columns of MART_TABLES["adtte"]; `keys` is a frame of `patient_id`, None = all."""
    people = of_patients(adsl.with_columns(patient_id="USUBJID"), keys)
    people = with_cut_day(people.with_columns(timezone="TIMEZONE"), cut=cut)
    care = local_care(care, people).with_columns(USUBJID="patient_id")
    adae = adae.join(people, on="USUBJID", how="semi")
    parts = [
        *_care_times(people, care),
        _first_event(people, adex, adae, options=options),
        *_resolutions(people, adae),
        *_durability(people, adqs, care, options=options),
    ]
    named = [
        part.with_columns(PARAMCD=pl.lit(code), PARAM=pl.lit(PARAMETERS[code]))
        for code, part in zip(PARAMETERS, parts, strict=True)
    ]
    head = people.select("USUBJID", "STUDYID", "SITEID")
    rows = pl.concat(named, how="diagonal_relaxed").drop("STUDYID", "SITEID").join(head, on="USUBJID")
    return TABLE.conform(rows).sort("USUBJID", "PARAMCD", "SRCID", nulls_last=False)


def _timed(frame: pl.DataFrame, *, censors: dict[str, pl.Expr], missing: dict[str, pl.Expr]) -> pl.DataFrame:
    """The frame (`STARTDT`, `event_on`, `what`) with AVAL, CNSR, ADT and texts.

    `censors`: why to day, the earliest counts and of equal ones the first; `missing`: why no time can be given.
    An event on the day of censoring is an event. Censored before the start there is no time: none is negative.
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


# --- care -------------------------------------------------------------------------------------------


def _care_times(people: pl.DataFrame, care: pl.DataFrame) -> list[pl.DataFrame]:
    surgery, rescue = pl.col("kind") == "surgery", pl.col("is_rescue").fill_null(False)
    in_arm = people.filter(pl.col("ARM").is_not_null()).with_columns(STARTDT=pl.coalesce("ALLOCDT", "ENRLDT"))
    from_day_1 = people.with_columns(STARTDT="DAY1DT")
    return [
        _care_time(group, care, wanted=wanted, what=what)
        for group in (from_day_1, in_arm)
        for wanted, what in ((surgery, "surgery"), (rescue, "rescue care"))
    ]


def _care_time(people: pl.DataFrame, care: pl.DataFrame, *, wanted: pl.Expr, what: str) -> pl.DataFrame:
    """From STARTDT to the first record that is `wanted`, on that day or after it."""
    known = care.group_by("USUBJID").agg(known_on=pl.col("known_on").max())
    found = care.filter(wanted).join(people.select("USUBJID", "STARTDT"), on="USUBJID")
    found = found.filter(pl.col("on") >= pl.col("STARTDT")).sort("on", "care_id")
    first = found.unique("USUBJID", keep="first", maintain_order=True)
    first = first.select("USUBJID", event_on="on", EVENTID="event_id", what=pl.lit(what))
    frame = people.drop("EVENTID").join(known, on="USUBJID", how="left").join(first, on="USUBJID", how="left")
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


# --- adverse events ---------------------------------------------------------------------------------


def _first_event(people: pl.DataFrame, adex: pl.DataFrame, adae: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    begun = adex.filter(pl.col("EXSTAT").is_in(BEGUN), pl.col("ASTDT").is_not_null())
    treated = begun.group_by("USUBJID").agg(STARTDT=pl.col("ASTDT").min(), last_on=pl.col("ASTDT").max())
    emergent = adae.filter(pl.col("TRTEMFL") == "Y")
    known = emergent.filter(pl.col("ASTDT").is_not_null()).sort("ASTDT", "AESEQ")
    first = known.unique("USUBJID", keep="first", maintain_order=True)
    first = first.select("USUBJID", "EVENTID", began_on="ASTDT", what="AEDECOD")
    unknown = emergent.filter(pl.col("ASTDT").is_null()).select("USUBJID").unique().with_columns(is_undated=True)
    frame = people.drop("EVENTID").join(treated, on="USUBJID")
    frame = frame.join(first, on="USUBJID", how="left").join(unknown, on="USUBJID", how="left")
    # one that began before the first session and became worse in treatment counts from the first session
    frame = frame.with_columns(event_on=pl.max_horizontal("began_on", "STARTDT")).with_columns(
        event_on=pl.when(pl.col("began_on").is_not_null()).then("event_on")
    )
    censors = {
        "end of the risk window": pl.col("last_on") + pl.duration(days=options.risk_window_days),
        # who left and came back is followed again, as in the time at risk
        "end of follow-up": pl.when(pl.col("EOSDT") >= pl.col("STARTDT")).then("EOSDT"),
        "last contact": pl.col("LSTCONDT"),
        "data cut": pl.col("cut_on"),
    }
    # an event is a contact by itself; who has left, or is past the window, is not at risk of one that counts
    is_at_risk = pl.col("event_on") <= pl.min_horizontal(censors["end of the risk window"], censors["end of follow-up"])
    frame = frame.with_columns(pl.when(is_at_risk).then(pl.col(c)).alias(c) for c in ("event_on", "EVENTID", "what"))
    return _timed(
        frame,
        censors=censors,
        missing={"an onset that is not known": pl.col("event_on").is_null() & pl.col("is_undated").fill_null(False)},
    )


def _resolutions(people: pl.DataFrame, adae: pl.DataFrame) -> list[pl.DataFrame]:
    """Two frames of a row an event: resolved at all, and resolved without sequelae (with them is censoring)."""
    columns = ["USUBJID", "DTHDT", "LSTCONDT"]
    frame = adae.join(people.select(columns), on="USUBJID").with_columns(SRCID="AEID", STARTDT="ASTDT")
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


# --- response ---------------------------------------------------------------------------------------


def _durability(
    people: pl.DataFrame, adqs: pl.DataFrame, care: pl.DataFrame, *, options: Options
) -> tuple[pl.DataFrame, pl.DataFrame]:
    own = adqs.join(people, on="USUBJID", how="semi")
    judged = pain.headline(own, parameters=pain.PAIN_PARAMETERS)
    judged = judged.filter(pl.col("PARAMCD").str.starts_with("NRS") & pl.col("CHG").is_not_null())
    rescues = care.filter(pl.col("kind").is_in(PROCEDURES)).select("USUBJID", rescued_on="on")
    loss = durability.loss_of_response(judged, rescues=rescues, min_days=options.sustained_min_days)
    return loss, durability.relapse(judged)
