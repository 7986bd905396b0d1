"""mart.adqs: a row a patient, study, questionnaire parameter and assessment, with baseline, change
and responder rules.

Here: from responses to scored, placed and judged rows; Day 1 is that of the treatment episode, else
enrolment. Not here: scoring (instruments), windows, the rules (pain), arms (arm_pairs places
the same rows from the day of allocation with `placed`).
"""

import polars as pl

from ..facts.catalogue import METRICS
from ..facts.instruments import INSTRUMENTS
from ..facts.parameters import CONTEXTS, PARAMETERS, code_in_context
from ..instruments import score
from ..options import Cut, Options
from ..rules import local_time, measurement_error, pain, windows
from ..rules.episodes import with_episode
from ..rules.exposure import of_patients
from ..rules.studies import BASELINE_DAYS, of_studies, planned_visits
from ..schemas import MART_TABLES

TABLE = MART_TABLES["adqs"]
INPUTS = (
    "core.responses",
    "core.sessions",
    "core.patients",
    "core.clinics",
    "core.patient_status",
    "mart.adsl",
    "mart.subject_episodes",
)
_BY = ["STUDYID", "USUBJID", "APERIOD", "PARAMCD"]


def compute(
    keys,
    *,
    responses,
    sessions,
    patients,
    clinics,
    patient_status,
    adsl,
    subject_episodes,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """Conforms to `mart.adqs`. `keys`: frame of `patient_id`, None = all. Responses of an unknown
    patient wait.
    """
    responses, sessions = of_patients(responses, keys), of_patients(sessions, keys)
    scored = _scored(
        responses.join(clinics.select("clinic_id", "country"), on="clinic_id", how="left"),
        options=options,
    )
    if scored.is_empty():
        return TABLE.empty()
    whose = local_time.clocks(patients=patients, clinics=clinics, patient_status=patient_status)
    scored = local_time.with_clock(scored, at="answered_at", clocks=whose, sessions=sessions)
    rows = with_episode(_dated(scored, adsl=adsl), subject_episodes, day="ADT")
    rows = placed(rows, day1=pl.col("DAY1DT"), options=options)
    rows = measurement_error.classified(rows, by=_BY, options=options)
    rows = rows.with_columns(
        DAY1BASIS=pl.when(pl.col("TRTSDTM").is_not_null())
        .then(pl.lit("session"))
        .otherwise(pl.lit("enrolment"))
    )
    return TABLE.conform(rows).sort("STUDYID", "USUBJID", "PARAMCD", "ADTM", "EVENTID")


def placed(rows: pl.DataFrame, *, day1: pl.Expr, options: Options) -> pl.DataFrame:
    """`rows` (a scored assessment each, with ADT, ADTM, TRTSDTM, APERIOD) with study day, visit, baseline,
    change and rules.

    Visits are those that the study plans (VISITPLN).
    """
    rows = rows.with_columns(
        ADY=windows.study_day(pl.col("ADT"), day1=day1),
        is_before_treatment=(pl.col("ADTM") < pl.col("TRTSDTM")).fill_null(True),
    )
    scheduled = rows.filter(pl.col("context") == "scheduled").partition_by("VISITPLN", as_dict=True)
    parts = [
        windows.place(part, by=_BY, visits=planned_visits(plan))
        for (plan,), part in scheduled.items()
    ]
    around = rows.filter(pl.col("context") != "scheduled")
    placed_rows = parts or [windows.place(rows.clear(), by=_BY)]
    return _judged(pl.concat([*placed_rows, around], how="diagonal"), options=options)


def _scored(responses: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """A row a response and parameter: PARAMCD, PARAM, AVALU, AVAL and what the scorer says of
    it.
    """
    responses = responses.with_columns(context=pl.col("context").fill_null("scheduled"))
    parts = [
        _scored_instrument(name, responses.filter(pl.col("instrument") == name), options=options)
        for name in responses["instrument"].unique().sort()
        if name in INSTRUMENTS
    ]
    if not parts:
        return pl.DataFrame()
    rows = pl.concat(parts)
    return rows.with_columns(
        AVAL=pl.col("value"),
        AVALSE=pl.col("standard_error"),
        AVALU=_of_parameter(lambda p: p.unit),
        NANSWERD=pl.col("n_answered"),
        NITEMS=pl.col("n_items"),
        DTYPE=pl.col("derivation"),
        METRICID=pl.col("parameter").str.to_lowercase() + "_score",
    ).with_columns(
        METRICV=pl.col("METRICID").replace_strict(
            _versions(), default=None, return_dtype=pl.String
        ),
        PARAM=_title(),
        PARAMCD=_code(),
    )


def _versions() -> dict[str, str]:
    return {m.id: m.version for m in METRICS.values()}


def _of_parameter(field) -> pl.Expr:
    return pl.col("parameter").replace_strict(
        {c: field(p) for c, p in PARAMETERS.items()}, return_dtype=pl.String
    )


def _title() -> pl.Expr:
    around = pl.col("context").replace_strict(
        {c: f", {t}" for c, (_, t) in CONTEXTS.items()}, default=""
    )
    detail = (
        pl.when(pl.col("detail").is_not_null()).then(", " + pl.col("detail")).otherwise(pl.lit(""))
    )
    return _of_parameter(lambda p: p.title) + detail + around


def _code() -> pl.Expr:
    code = pl.col("parameter")
    for context in CONTEXTS:
        other = code.replace_strict(
            {c: code_in_context(c, context) for c in PARAMETERS}, default=None
        )
        code = pl.when(pl.col("context") == context).then(other).otherwise(code)
    return code


def _scored_instrument(name: str, responses: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    kept = [
        "patient_id",
        "clinic_id",
        "session_id",
        "answered_at",
        "utc_offset_min",
        "event_id",
        "context",
        "items",
    ]
    codes = INSTRUMENTS[name].items
    answers = [
        pl.col("items").str.json_path_match(f"$.{c}").cast(pl.Float64, strict=False).alias(c)
        for c in codes
    ]
    parts = []
    for (country,), part in responses.partition_by(
        "country", as_dict=True, include_key=True
    ).items():
        value_set = _value_set(country, options=options) if name == "eq_5d_5l" else None
        frame = part.select(*kept, *answers)
        parts.append(
            score(
                name,
                frame,
                odi_licensed=options.odi_licensed,
                odi_min_items=options.odi_min_items,
                value_set=value_set,
            )
        )
    return _asked(pl.concat(parts), name).drop("items")


def _value_set(country: str | None, *, options: Options) -> pl.DataFrame | None:
    if country not in options.eq5d_value_sets:
        return None
    name, utilities = options.eq5d_value_sets[country]
    profiles = {"profile": list(utilities), "utility": list(utilities.values())}
    return pl.DataFrame(
        profiles, schema={"profile": pl.String, "utility": pl.Float64}
    ).with_columns(value_set=pl.lit(name))


def _asked(scored: pl.DataFrame, name: str) -> pl.DataFrame:
    """Of a pain scale the rows of the items that the response has, answered or null; the others
    were not asked.
    """
    if not INSTRUMENTS[name].is_asked_in_part:
        return scored
    items = {p.code: f'"{p.item}"' for p in PARAMETERS.values() if p.instrument == name}
    item = pl.col("parameter").replace_strict(items, return_dtype=pl.String)
    return scored.filter(pl.col("items").str.contains(item, literal=True))


def _dated(rows: pl.DataFrame, *, adsl: pl.DataFrame) -> pl.DataFrame:
    """The assessment's day by its clock (`timezone`), and in each study the patient's columns."""
    rows = rows.with_columns(ADTM=pl.col("answered_at"), EVENTID=pl.col("event_id"))
    rows = local_time.with_local_day(rows, at="ADTM", into="ADT")
    rows = of_studies(rows, adsl, day="ADT", lead_days=BASELINE_DAYS).rename(
        {"patient_id": "USUBJID"}
    )
    subjects = adsl.select("STUDYID", "USUBJID", "SITEID", "VISITPLN")
    return rows.join(subjects, on=["STUDYID", "USUBJID"])


def _judged(rows: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """Change from baseline, the rules in words and their flags, and why one can't be given."""
    after = (
        pl.col("is_after_baseline").fill_null(False)
        & pl.col("AVAL").is_not_null()
        & pl.col("BASE").is_not_null()
    )
    rows = rows.with_columns(
        is_judged=after, CHG=pl.when(after).then(pl.col("AVAL") - pl.col("BASE"))
    )
    rows = rows.with_columns(
        PCHG=pl.when(after & (pl.col("BASE") != 0)).then(100 * pl.col("CHG") / pl.col("BASE"))
    )
    return pain.judged(rows, options=options).with_columns(NEREASON=_reason())


def _reason() -> pl.Expr:
    follows = pl.col("AVISIT").is_not_null() & (pl.col("AVISIT") != windows.BASELINE)
    return pl.coalesce(
        "reason",
        pl.when(follows & pl.col("BASE").is_null() & (pl.col("parameter") != "PGIC")).then(
            pl.lit("no baseline")
        ),
        "rule_reason",
    )
