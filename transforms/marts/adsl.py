"""mart.adsl: one row a patient and study, routine care being one.

Here: Day 1 and treatment dates, end of study. Not here: who is in which study (rules/studies.py),
outcomes (adqs, adact), what a contact is (rules/contact.py), time at risk (time_at_risk.py).

Treatment is that of the sessions that belong to the study; end of study and last contact are the
patient's.

Day 1, TRTSDT, TRTEDT and NSESS come from delivered sessions; SAFFL from sessions that began. End of
study: the first of `completed`, `withdrew`, `lost`, `died` that no later `resumed` follows; `died`
is never undone. `transferred`, `paused` and `pregnant` end nothing; a status whose day lies after
the data cut has not happened yet.
"""

import polars as pl

from ..options import Cut, Options
from ..rules import studies as rules
from ..rules.contact import CONTACTS, last_contact
from ..rules.exposure import of_patients, placed_sessions
from ..rules.flags import flag
from ..rules.local_time import clocks, with_clock, with_cut_day, with_timezone
from ..schemas import MART_TABLES

TABLE = MART_TABLES["adsl"]
NOT_TREATED = "NOT TREATED"
_OF_ARMS = ("ARM", "TRT01A", "REFARM", "ALLOCATN", "STRATA", "ANLSETS", "OTHARMFL")
SEXES = {"female": "F", "male": "M"}
ENDS = {
    "completed": "COMPLETED",
    "withdrew": "DISCONTINUED",
    "lost": "DISCONTINUED",
    "died": "DISCONTINUED",
}
INPUTS = (
    "core.patients",
    "core.clinics",
    "core.patient_status",
    "core.studies",
    "core.study_enrolments",
    *(f"core.{name}" for name in CONTACTS),
)


def compute(
    keys: pl.DataFrame | None,
    *,
    patients: pl.DataFrame,
    clinics: pl.DataFrame,
    patient_status: pl.DataFrame,
    studies: pl.DataFrame,
    study_enrolments: pl.DataFrame,
    options: Options,
    cut: Cut,
    **contacts: pl.DataFrame,
) -> pl.DataFrame:
    """One row a study of each patient of `keys` (None = all); columns of MART_TABLES["adsl"].

    Inputs are tables of core by their bare names (`contacts`: those of contact.CONTACTS); of frames
    that hold more patients only those of `keys` count.
    """
    people = with_timezone(of_patients(patients, keys), clinics)
    whose = clocks(patients=people, clinics=clinics, patient_status=patient_status)
    placed = placed_sessions(of_patients(contacts["sessions"], keys), whose)
    filed = patient_status.join(people, on="patient_id", how="semi")
    status = _until(with_clock(filed, at="effective_on", clocks=whose), cut=cut)
    contact = last_contact(contacts, clocks=whose, until=cut.hour_end).select(
        "patient_id", last_contact="last_contact_on"
    )
    subjects = _subjects(people, study_enrolments, placed.filter("is_begun"), clinics)
    treatment = _treatment(rules.with_study(placed, subjects, day="day"))
    subjects = (
        subjects.join(treatment, on=["patient_id", "STUDYID"], how="left")
        .join(_end_of_study(status), on="patient_id", how="left")
        .join(contact, on="patient_id", how="left")
        .with_columns(DAY1DT=pl.coalesce("TRTSDT", "ENRLDT"))
    )
    return TABLE.conform(_masked(_named(subjects), studies, cut=cut).sort(TABLE.key))


def _subjects(
    people: pl.DataFrame, study_enrolments: pl.DataFrame, begun: pl.DataFrame, clinics: pl.DataFrame
) -> pl.DataFrame:
    """A row a patient and study, in the time zone of the clinic that enrolled the patient there."""
    own = people.drop(
        "study_id", "arm", "allocation", "allocated_on", "is_allocated", "timezone"
    ).rename({"clinic_id": "home"})
    members = rules.memberships(people, study_enrolments, begun)
    frame = own.join(members, on="patient_id").with_columns(
        STUDYID="study_id",
        USUBJID="patient_id",
        ENRLDT="from_on",
        ENRENDT="to_on",
        clinic_id=pl.coalesce("clinic_id", "home"),
    )
    return with_timezone(frame, clinics)


def _masked(frame: pl.DataFrame, studies: pl.DataFrame, *, cut: Cut) -> pl.DataFrame:
    """The frame with what its study says of arms and visits; of a masked study all that tells of
    an arm is null.
    """
    plans = studies.select(STUDYID="study_id", REFARM="reference_arm", VISITPLN="planned_visits")
    is_masked = pl.col("STUDYID").is_in(rules.masked(studies, cut=cut))
    hidden = [pl.when(~is_masked).then(c).alias(c) for c in _OF_ARMS]
    frame = frame.join(plans, on="STUDYID", how="left", maintain_order="left")
    return frame.with_columns(*hidden, MASKFL=flag(is_masked))


def _named(people: pl.DataFrame) -> pl.DataFrame:
    return people.with_columns(
        SUBJID=pl.coalesce("subject_id", "patient_id"),
        SITEID="clinic_id",
        ARM="arm",
        TRT01A=pl.col("MODALITY").fill_null(NOT_TREATED),
        AGE=pl.col("DAY1DT").dt.year() - pl.col("birth_year"),
        SEX=pl.when(pl.col("sex").is_not_null()).then(
            pl.col("sex").replace_strict(SEXES, default="U")
        ),
        INDICATN="indication",
        PAINDUR="pain_duration_months",
        ALLOCATN="allocation",
        ALLOCDT="allocated_on",
        ALLOCFL=flag(rules.allocates()),
        NENRL="enrolments",
        OTHARMFL=flag(pl.col("has_other_arm")),
        STRATA="strata",
        ANLSETS="analysis_sets",
        SAFFL=pl.when(pl.col("is_begun").fill_null(False)).then(pl.lit("Y")).otherwise(pl.lit("N")),
        NSESS=pl.col("NSESS").fill_null(0),
        EOSSTT=pl.col("EOSSTT").fill_null("ONGOING"),
        TIMEZONE="timezone",
        EVENTID="event_id",
        LSTCONDT=pl.min_horizontal(pl.max_horizontal("last_contact", "enrolled_on"), "DTHDT"),
    )


def _treatment(sessions: pl.DataFrame) -> pl.DataFrame:
    """A row a patient and study with a session: first and last delivered one, how many, whether any
    began.
    """
    delivered = pl.col("is_delivered")
    return sessions.group_by("patient_id", "STUDYID", maintain_order=True).agg(
        MODALITY=pl.col("modality").filter(delivered).first(),
        TRTSDT=pl.col("day").filter(delivered).first(),
        TRTEDT=pl.col("day").filter(delivered).drop_nulls().last(),
        TRTSDTM=pl.col("started_at").filter(delivered).first(),
        TRTEDTM=pl.col("started_at").filter(delivered).drop_nulls().last(),
        NSESS=delivered.sum().cast(pl.Int64),
        is_begun=pl.col("is_begun").any(),
    )


def _until(status: pl.DataFrame, *, cut: Cut) -> pl.DataFrame:
    """The status records whose day has come by the data cut, by their clock."""
    return with_cut_day(status, cut=cut).filter(pl.col("effective_on") <= pl.col("cut_on"))


def _end_of_study(status: pl.DataFrame) -> pl.DataFrame:
    """A row a patient whose follow-up ended, or who died: EOSSTT, EOSDT, EOSREAS, DTHDT."""
    ordered = status.sort("patient_id", "effective_on", "recorded_at", "status_id", nulls_last=True)
    resumed = pl.col("status") == "resumed"
    ordered = ordered.with_columns(
        _resumed_after=resumed.reverse().cum_sum().reverse().over("patient_id") > 0,
        _is_death=pl.col("status") == "died",
    )
    stands = ordered.filter(
        pl.col("status").is_in(list(ENDS)) & (pl.col("_is_death") | ~pl.col("_resumed_after"))
    )
    return stands.group_by("patient_id", maintain_order=True).agg(
        EOSSTT=pl.col("status").first().replace_strict(ENDS),
        EOSDT=pl.col("effective_on").first(),
        EOSREAS=pl.coalesce(pl.col("reason").first(), pl.col("status").first()),
        DTHDT=pl.col("effective_on").filter("_is_death").first(),
    )
