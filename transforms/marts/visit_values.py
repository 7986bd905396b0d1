"""Who is due at a visit, and with which value: what all summaries by visit count from.

Here: frames of patients, visits and values of adqs and adact. Not here: summaries of them, and the
windows' days (rules/windows.py).

Of a stratum's patients those are due whose visit window has closed at the data cut, whatever ended
their follow-up. Of the due, those whose study (STUDYID) asks for the parameter at the visit, whose
clinic asks for it at all and who have a baseline are expected (`asked_of`): whom nobody would ask
does not count as silent.
"""

import polars as pl

from ..facts.mobility_parameters import VITALS
from ..facts.parameters import PARAMETERS
from ..facts.responses import CRITERIA
from ..facts.values import ALL, FIRST, LATEST, NONE, ROUTINE
from ..options import Cut, Options
from ..rules import pain, windows
from ..rules.local_time import with_cut_day
from ..rules.studies import planned_visits
from .strata import COUNTS_ONCE, dimensions_of, of_episodes

# --- who is due ----------------------------------------------------------------------------------


def people_of(
    adsl: pl.DataFrame, episodes: pl.DataFrame, *, options: Options, episode: str = FIRST
) -> pl.DataFrame:
    """A row a subject (strata) and episode: dimensions, `counts_once`, `patient_id`, time zone, Day
    1, the end of the first course, and `windows_to`.

    `episode`: FIRST and LATEST take one episode of each subject, ALL every one. USUBJID names the
    patient, the study and the episode. Where the study is no dimension a patient counts as the
    subject who was treated first, of LATEST last; of ALL each of the patient's episodes once.
    """
    units = of_episodes(_chosen(episodes, episode)).select(
        "USUBJID",
        "patient_id",
        "STUDYID",
        "APERIOD",
        "DAY1DT",
        "TRTSDTM",
        course_ended_on="CRSENDT",
        windows_to="WINENDT",
        modality=pl.col("MODALITY").fill_null(NONE),
    )
    dimensions = dimensions_of(adsl).rename({"USUBJID": "patient_id"}).drop("modality", COUNTS_ONCE)
    zones = adsl.select("STUDYID", patient_id="USUBJID", timezone="TIMEZONE", plan="VISITPLN")
    whose = ["STUDYID", "patient_id"]
    people = units.join(dimensions, on=whose).join(zones, on=whose)
    days = max(windows.END_OF_COURSE_DAYS, options.course_gap_days)
    return people.with_columns(
        end_closes_on=pl.col("course_ended_on") + pl.duration(days=days),
        **{COUNTS_ONCE: pl.col("USUBJID").is_in(_standing(people, episode).implode())},
    ).drop("TRTSDTM")


def _chosen(episodes: pl.DataFrame, episode: str) -> pl.DataFrame:
    if episode == ALL:
        return episodes
    flag = "FRSTEPFL" if episode == FIRST else "LASTEPFL"
    return episodes.filter(pl.col(flag) == "Y")


def _standing(people: pl.DataFrame, episode: str) -> pl.Series:
    """The USUBJIDs that stand for their patient, or for the patient's episode, where the study is
    no dimension.
    """
    order = [
        pl.col("TRTSDTM"),
        pl.col("DAY1DT"),
        pl.col("STUDYID") != ROUTINE,
        pl.col("STUDYID"),
    ]
    is_last_first = [episode == LATEST] * 2 + [False] * 2
    ordered = people.sort(order, descending=is_last_first, nulls_last=True)
    of = ["patient_id", "APERIOD"] if episode == ALL else ["patient_id"]
    is_superfluous = pl.col("APERIOD").is_null() & (
        pl.col("APERIOD").is_not_null().any().over("patient_id")
    )
    return ordered.filter(~is_superfluous).unique(of, keep="first", maintain_order=True)["USUBJID"]


def due_of(people: pl.DataFrame, *, cut: Cut) -> pl.DataFrame:
    """A row a subject, episode and visit of the study: `is_due`, the visit's window has closed at
    the data cut; `is_ended`, the next episode's baseline began before the window; `target_on`;
    `target_day`, its study day where it is a fixed one.

    It closes where the patient is enrolled: a window's last day is over there, not in UTC; or where
    the next episode's baseline begins.

    End of course closes when no further session can belong to the course any more; without a
    session it is never due.
    """
    people = with_cut_day(people, cut=cut)
    plans = people.partition_by("plan", as_dict=True, maintain_order=True) or {(None,): people}
    return pl.concat(
        part for (plan,), planned in plans.items() for part in _due(planned, planned_visits(plan))
    )


def _due(people: pl.DataFrame, visits: tuple[windows.Visit, ...]) -> list[pl.DataFrame]:
    day1, windows_to = pl.col("DAY1DT"), pl.col("windows_to")
    spans = {
        v.name: [windows.date_of(day, day1=day1) for day in (v.first, v.target, v.last)]
        for v in visits
    }
    target_days = {v.name: v.target for v in visits}
    ended = pl.col("course_ended_on")
    spans[windows.END_OF_COURSE] = [ended, ended + pl.duration(days=1), pl.col("end_closes_on")]
    return [
        people.with_columns(
            AVISIT=pl.lit(name),
            target_on=target,
            target_day=pl.lit(target_days.get(name), pl.Int64),
            is_ended=(first > windows_to).fill_null(False),
            closed_on=pl.min_horizontal(last, pl.when(last.is_not_null()).then(windows_to)),
        ).with_columns(
            is_due=(~pl.col("is_ended") & (pl.col("closed_on") < pl.col("cut_on"))).fill_null(False)
        )
        for name, (first, target, last) in spans.items()
    ]


# --- values at the visits -----------------------------------------------------------------------


def values_of(adqs: pl.DataFrame, adact: pl.DataFrame | None = None) -> pl.DataFrame:
    """A row a subject, parameter and visit that has a record that counts; End of course by its own
    flag.
    """
    columns = ["USUBJID", "PARAMCD", "AVISIT", "ADT", "ADY", "AVAL", "BASE", "CHG", "CHGCAT1"]
    flags = [f"CRIT{k}FL" for k in range(1, len(CRITERIA) + 1)]
    asked = of_episodes(adqs).filter(pl.col("PARAMCD").is_in(list(PARAMETERS)))
    at_visit = asked.filter(
        (pl.col("ANL01FL") == "Y") & (pl.col("AVISIT") != windows.END_OF_COURSE)
    )
    at_end = asked.filter(pl.col("EOCFL") == "Y").with_columns(AVISIT=pl.lit(windows.END_OF_COURSE))
    parts = [at_visit.select(*columns, *flags), at_end.select(*columns, *flags)]
    if adact is not None:
        parts.append(
            of_episodes(adact)
            .filter((pl.col("ANL01FL") == "Y") & pl.col("AVAL").is_not_null())
            .select(columns)
        )
    return pl.concat(parts, how="diagonal").filter(pl.col("AVISIT").is_not_null())


def judgements_of(adqs: pl.DataFrame) -> pl.DataFrame:
    """The assessments on which a responder rule judges, scheduled or not, by episode."""
    flags = [f"CRIT{k}FL" for k in range(1, len(CRITERIA) + 1)]
    judged = of_episodes(adqs).filter(pl.col("PARAMCD").is_in(list(PARAMETERS)))
    return judged.filter(pl.any_horizontal(pl.col(flags).is_not_null())).select(
        "USUBJID", "PARAMCD", "ADT", "ADTM", "EVENTID", *flags
    )


def bases_of(rows: pl.DataFrame) -> pl.DataFrame:
    """A row a subject and parameter with a baseline, and whether the rules can judge from it."""
    based = rows.filter(pl.col("BASE").is_not_null()).unique(["USUBJID", "PARAMCD"])
    can_improve, can_worsen, is_on_scale = pl.lit(True), pl.lit(True), pl.lit(True)
    for code in set(based["PARAMCD"].unique()) & set(PARAMETERS):
        here = pl.col("PARAMCD") == code
        can_improve = (
            pl.when(here).then(pain.is_evaluable_baseline(PARAMETERS[code])).otherwise(can_improve)
        )
        can_worsen = pl.when(here).then(pain.can_worsen(PARAMETERS[code])).otherwise(can_worsen)
        is_on_scale = pl.when(here).then(pain.is_on_scale(PARAMETERS[code])).otherwise(is_on_scale)
    return based.select(
        "USUBJID",
        "PARAMCD",
        can_improve=can_improve,
        can_worsen=can_worsen,
        is_on_scale=is_on_scale,
    )


def coupling(values: pl.DataFrame, people: pl.DataFrame) -> list[pl.DataFrame]:
    """What strata that expect these values stand on of everybody: what studies and clinics ask for."""
    asked = asked_of(values, people)
    return [asked.sort(asked.columns)]


def asked_of(rows: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """`STUDYID`, `clinic_id`, `PARAMCD`, `AVISIT`: what each study asks for, where clinics do at
    all.

    Seen from anybody's answer: a clinic without one at a visit has missing ones; one that answers
    other parameters and never this is not asking for it; one that answers nothing at all is silent,
    and misses all that its study asks for. What a wearable measures beside movement is no answer: a
    clinic with nothing else is silent.
    """
    answered = rows.join(people, on="USUBJID")
    visits = answered.select("STUDYID", "PARAMCD", "AVISIT").unique()
    asking = answered.select("STUDYID", "clinic_id", "PARAMCD").unique()
    answering = asking.filter(~pl.col("PARAMCD").is_in([p.code for p in VITALS]))
    silent = (
        people.select("STUDYID", "clinic_id")
        .unique()
        .join(answering, on=["STUDYID", "clinic_id"], how="anti")
    )
    silent = silent.join(visits.select("STUDYID", "PARAMCD").unique(), on="STUDYID")
    return (
        pl.concat([asking, silent.select(asking.columns)])
        .unique()
        .join(visits, on=["STUDYID", "PARAMCD"])
    )


def expected_of(rows: pl.DataFrame, due: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """A row a subject with a baseline, parameter and visit that is due and asked for, with what
    `bases_of` gives.
    """
    closed = due.filter("is_due")
    return (
        bases_of(rows)
        .join(closed, on="USUBJID")
        .join(asked, on=["STUDYID", "clinic_id", "PARAMCD", "AVISIT"], how="semi")
    )
