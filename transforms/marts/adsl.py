"""mart.adsl: one row a patient.

Here: Day 1 and treatment dates, end of study, last contact. Not here: outcomes (adqs, adact), time at risk.

Day 1, TRTSDT, TRTEDT and NSESS come from delivered sessions; SAFFL from sessions that began. End of study:
the first of `completed`, `withdrew`, `lost`, `died` that no later `resumed` follows; `died` is never undone.
`transferred`, `paused` and `pregnant` end nothing; a status whose day lies after the data cut has not
happened yet.
"""

import polars as pl

from ..exposure import of_patients, placed_sessions
from ..local_time import with_cut_day, with_local_day, with_timezone
from ..options import Cut, Options
from ..schemas import MART_TABLES

TABLE = MART_TABLES["adsl"]
NOT_TREATED = "NOT TREATED"
SEXES = {"female": "F", "male": "M"}
ENDS = {"completed": "COMPLETED", "withdrew": "DISCONTINUED", "lost": "DISCONTINUED", "died": "DISCONTINUED"}
# Statuses that are no contact: nobody met a patient who is lost, dead, or merged into another record.
NO_CONTACT = ("lost", "died", "merged")
# Table -> the moment at which the patient was in contact
CONTACTS = {
    "responses": "answered_at",
    "adverse_events": "event_time",
    "resolutions": "resolved_at",  # of adverse events, but by death
    "care": "occurred_at",
    "consults": "occurred_at",
    "screenings": "occurred_at",
    "performance_tests": "performed_at",
}
INPUTS = (
    "core.patients", "core.clinics", "core.sessions", "core.patient_status", "core.responses",
    "core.adverse_events", "core.care", "core.consults", "core.screenings", "core.performance_tests",
    "core.activity_days",
)  # fmt: skip


def compute(
    keys: pl.DataFrame | None,
    *,
    patients: pl.DataFrame,
    clinics: pl.DataFrame,
    sessions: pl.DataFrame,
    patient_status: pl.DataFrame,
    responses: pl.DataFrame,
    adverse_events: pl.DataFrame,
    care: pl.DataFrame,
    consults: pl.DataFrame,
    screenings: pl.DataFrame,
    performance_tests: pl.DataFrame,
    activity_days: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """One row a patient of `keys` (None = all); columns of MART_TABLES["adsl"].

    Inputs are tables of core by their bare names; of frames that hold more patients only those of `keys`
    count.
    """
    people = with_timezone(of_patients(patients, keys), clinics)
    zones = people.select("patient_id", "timezone", "utc_offset_min")
    resolutions = adverse_events.filter(pl.col("outcome").ne_missing("fatal"))
    contacts = {"responses": responses, "adverse_events": adverse_events, "resolutions": resolutions, "care": care,
                "consults": consults, "screenings": screenings, "performance_tests": performance_tests}  # fmt: skip
    placed = placed_sessions(of_patients(sessions, keys), clinics)
    status = _until(patient_status.join(zones.select("patient_id", "timezone"), on="patient_id"), cut=cut)
    contact = _last_contact(zones, placed, contacts, activity_days, status, cut=cut)
    people = (
        people.join(_treatment(placed), on="patient_id", how="left")
        .join(_end_of_study(status), on="patient_id", how="left")
        .join(contact, on="patient_id", how="left")
        .with_columns(DAY1DT=pl.coalesce("TRTSDT", "enrolled_on"))
    )
    return TABLE.conform(_named(people).sort("USUBJID"))


def _named(people: pl.DataFrame) -> pl.DataFrame:
    return people.with_columns(
        STUDYID="source", USUBJID="patient_id", SITEID="clinic_id", ARM="arm",
        TRT01A=pl.col("MODALITY").fill_null(NOT_TREATED),
        AGE=pl.col("DAY1DT").dt.year() - pl.col("birth_year"),
        SEX=pl.when(pl.col("sex").is_not_null()).then(pl.col("sex").replace_strict(SEXES, default="U")),
        INDICATN="indication", PAINDUR="pain_duration_months", ALLOCATN="allocation", ALLOCDT="allocated_on",
        ENRLDT="enrolled_on",
        SAFFL=pl.when(pl.col("is_begun").fill_null(False)).then(pl.lit("Y")).otherwise(pl.lit("N")),
        NSESS=pl.col("NSESS").fill_null(0), EOSSTT=pl.col("EOSSTT").fill_null("ONGOING"),
        TIMEZONE="timezone", EVENTID="event_id",
        LSTCONDT=pl.min_horizontal(pl.max_horizontal("last_contact", "enrolled_on"), "DTHDT"),
    )  # fmt: skip


def _treatment(sessions: pl.DataFrame) -> pl.DataFrame:
    """A row a patient with a session: first and last delivered one, how many, whether any began."""
    delivered = pl.col("is_delivered")
    return sessions.group_by("patient_id", maintain_order=True).agg(
        MODALITY=pl.col("modality").filter(delivered).first(),
        TRTSDT=pl.col("day").filter(delivered).first(),
        TRTEDT=pl.col("day").filter(delivered).drop_nulls().last(),
        TRTSDTM=pl.col("started_at").filter(delivered).first(),
        TRTEDTM=pl.col("started_at").filter(delivered).drop_nulls().last(),
        NSESS=delivered.sum().cast(pl.Int64),
        is_begun=pl.col("is_begun").any(),
    )


def _until(status: pl.DataFrame, *, cut: Cut) -> pl.DataFrame:
    """The status records whose day has come by the data cut, where the patient is enrolled."""
    return with_cut_day(status, cut=cut).filter(pl.col("effective_on") <= pl.col("cut_on"))


def _end_of_study(status: pl.DataFrame) -> pl.DataFrame:
    """A row a patient whose follow-up ended, or who died: EOSSTT, EOSDT, EOSREAS, DTHDT."""
    ordered = status.sort("patient_id", "effective_on", "recorded_at", "status_id", nulls_last=True)
    resumed = pl.col("status") == "resumed"
    ordered = ordered.with_columns(
        _resumed_after=resumed.reverse().cum_sum().reverse().over("patient_id") > 0,
        _is_death=pl.col("status") == "died",
    )
    stands = ordered.filter(pl.col("status").is_in(list(ENDS)) & (pl.col("_is_death") | ~pl.col("_resumed_after")))
    return stands.group_by("patient_id", maintain_order=True).agg(
        EOSSTT=pl.col("status").first().replace_strict(ENDS),
        EOSDT=pl.col("effective_on").first(),
        EOSREAS=pl.coalesce(pl.col("reason").first(), pl.col("status").first()),
        DTHDT=pl.col("effective_on").filter("_is_death").first(),
    )


def _last_contact(
    zones: pl.DataFrame,
    sessions: pl.DataFrame,
    contacts: dict[str, pl.DataFrame],
    activity_days: pl.DataFrame,
    status: pl.DataFrame,
    *,
    cut: Cut,
) -> pl.DataFrame:
    """A row a patient: `last_contact`, the newest day on which anything shows the patient, up to the data
    cut.

    A missed or cancelled session is no contact, nor is a status that nobody met the patient for.
    """
    moments = [
        frame.select("patient_id", moment=column)
        for frame, column in [
            (sessions.filter("is_begun"), "started_at"),
            *((contacts[name], column) for name, column in CONTACTS.items()),
        ]
    ]
    newest = pl.concat(moments).filter(pl.col("moment") <= cut.data_cutoff)
    newest = newest.group_by("patient_id").agg(pl.col("moment").max()).join(zones, on="patient_id")
    days = [
        with_local_day(newest, at="moment", into="day").select("patient_id", "day"),
        activity_days.filter(pl.col("samples") > 0).select("patient_id", "day"),
        status.filter(~pl.col("status").is_in(NO_CONTACT)).select("patient_id", day="effective_on"),
    ]
    days = pl.concat(days).filter(pl.col("day") <= pl.lit(cut.data_cutoff.date()).dt.offset_by("1d"))
    return days.group_by("patient_id").agg(last_contact=pl.col("day").max())
