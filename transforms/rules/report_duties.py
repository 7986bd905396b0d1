"""Which reports are due: what happened, taken to the rules of the clinic's country, and where each
report stands.

Here: the judgement by a rule: the clock's start, the due day, the state, the reason. Not here: what
is reportable (reportable.py), the rules themselves (facts/report_rules.py), the calendar
(work_days.py), and the mart (marts/report_deadlines.py). `as_of` is the moment by which days are
counted, each by the clock of the clinic where it happened.

What no rule covers has a row too, which says so.
"""

from datetime import date, datetime, timedelta

import polars as pl

from ..facts.report_rules import COUNTRIES, EUROPE, EUROPE_SOURCE, RULES, Rule
from .local_time import with_local_day, with_timezone
from .work_days import after_work_days

NO_RULE = "no_rule"


def duties(happened: pl.DataFrame, *, clinics: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """One row per event of `happened` and rule, with the columns of mart.report_deadlines but its
    stamp.

    `clinics`: `clinic_id`, `country`, `timezone`, `is_device_user_facility`. An event that no rule
    covers has one row, the rule `no_rule`. Days are Dates by the clinic's clock; `days_left` stays
    as it is where the report was made.
    """
    events = _with_days(_with_clinic(happened, clinics), clinics, as_of=as_of)
    by_rule = [_of_rule(events, rule) for rule in RULES]
    covered = pl.concat(part.select("subject_kind", "subject_id") for part in by_rule)
    alone = _of_none(events.join(covered, on=["subject_kind", "subject_id"], how="anti"))
    return _judged(_with_due_day(pl.concat([*by_rule, alone])))


def _with_clinic(happened: pl.DataFrame, clinics: pl.DataFrame) -> pl.DataFrame:
    country = pl.col("country").str.strip_chars().str.to_uppercase()
    of_clinic = clinics.select(
        "clinic_id",
        country=pl.when(country != "").then(country),
        is_facility="is_device_user_facility",
    )
    return happened.join(of_clinic, on="clinic_id", how="left")


def _with_days(events: pl.DataFrame, clinics: pl.DataFrame, *, as_of: datetime) -> pl.DataFrame:
    frame = with_timezone(events.with_columns(as_of=pl.lit(as_of)), clinics)
    for moment, day in (
        ("aware_at", "aware_on"),
        ("reported_at", "reported_on"),
        ("as_of", "today"),
    ):
        frame = with_local_day(frame, at=moment, into=day)
    return frame


def _of_rule(events: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """The events that the rule covers, or may cover, with what it says."""
    covered = events.with_columns(is_holder=_HOLDERS[rule.holder]).filter(
        pl.col("country").is_in(rule.countries)
        & pl.col("harm").is_in(rule.harms)
        & pl.col("person").is_in(rule.people)
        & pl.col("is_holder").fill_null(True)
    )
    return covered.with_columns(
        rule=pl.lit(rule.id),
        duty=pl.lit(rule.duty),
        rule_source=pl.lit(rule.source),
        rule_verification=pl.lit(rule.verification),
        holder=pl.lit(rule.holder),
        timing=pl.lit(rule.timing),
        days=pl.lit(rule.days, dtype=pl.Int64),
        clock=pl.lit(rule.clock),
        clock_start=pl.when(pl.lit(rule.clock == "aware")).then("aware_on"),
        is_recipient=pl.col("reported_to")
        .str.to_lowercase()
        .str.contains_any(list(rule.recipients)),
    )


def _of_none(events: pl.DataFrame) -> pl.DataFrame:
    """What no rule covers, with what is known of its country."""
    is_european = pl.col("country").is_in(EUROPE)
    return events.with_columns(
        is_holder=pl.lit(None, dtype=pl.Boolean),
        rule=pl.lit(NO_RULE),
        duty=pl.lit(None, dtype=pl.String),
        rule_source=pl.when(is_european).then(pl.lit(EUROPE_SOURCE)),
        rule_verification=pl.when(is_european).then(pl.lit("verified")),
        holder=pl.lit(None, dtype=pl.String),
        timing=pl.lit(NO_RULE),
        days=pl.lit(None, dtype=pl.Int64),
        clock=pl.lit(None, dtype=pl.String),
        clock_start="aware_on",
        is_recipient=pl.lit(None, dtype=pl.Boolean),
    )


_HOLDERS = {
    "user_facility": pl.col("is_facility"),
    "not_user_facility": ~pl.col("is_facility").fill_null(True),
    "hospital": pl.lit(None, dtype=pl.Boolean),  # of no clinic on record
    "professional_user": pl.lit(True),
}


def _with_due_day(rows: pl.DataFrame) -> pl.DataFrame:
    """`due_on`: null unless the rule counts days, is certain to hold and its clock's start is on
    record.
    """
    is_certain = pl.col("is_holder").fill_null(False) & pl.col("is_harm_known")
    rows = rows.with_columns(_start=pl.when(is_certain).then("clock_start")).with_row_index("_row")
    dated = rows.filter(pl.col("_start").is_not_null(), pl.col("days").is_not_null())
    dated = dated.select("_row", "timing", "_start", "days")
    due = [_due_on(timing, start, days) for _, timing, start, days in dated.iter_rows()]
    dated = dated.select("_row", pl.Series("due_on", due, dtype=pl.Date))
    return rows.join(dated, on="_row", how="left", maintain_order="left")


def _due_on(timing: str, start: date, days: int) -> date:
    if timing == "work_days":
        return after_work_days(start, days)
    return start + timedelta(days=days)


def _judged(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with `state`, `days_left` and `reason`."""
    is_reported = pl.col("reported_on").is_not_null() & pl.col("is_recipient").fill_null(True)
    rows = rows.with_columns(
        is_reported=is_reported,
        is_dated=pl.col("timing").is_in(["days", "work_days"]),
        days_left=(pl.col("due_on") - pl.col("today")).dt.total_days(),
    )
    return rows.with_columns(state=_state(), reason=_reasons())


def _state() -> pl.Expr:
    is_late = pl.col("reported_on") > pl.col("due_on")
    is_uncertain = ~pl.col("is_holder").fill_null(False) | ~pl.col("is_harm_known")
    cases = (
        (pl.col("timing") == NO_RULE, NO_RULE),
        ((pl.col("timing") == "voluntary") & ~pl.col("is_reported"), "voluntary"),
        (pl.col("is_dated") & pl.col("due_on").is_null(), "no_date"),
        (pl.col("is_reported") & is_late, "reported_late"),
        (pl.col("is_reported"), "reported"),
        (is_uncertain, "no_date"),
        (pl.col("timing") == "at_once", "due_now"),
        (pl.col("today") > pl.col("due_on"), "overdue"),
    )
    return _first(cases).fill_null("open")


def _reasons() -> pl.Expr:
    """What makes the row doubtful, or is why it has no date; several are apart by semicolons; null
    where there is none.
    """
    is_duty = ~pl.col("timing").is_in(["voluntary", NO_RULE])
    is_timed = pl.col("is_dated") & pl.col("is_holder").is_not_null()
    is_due = is_duty & ~pl.col("is_reported")
    to_another = pl.col("reported_on").is_not_null() & ~pl.col("is_recipient").fill_null(True)
    unheld = pl.col("is_holder").is_null()
    unnamed = pl.col("is_reported") & pl.col("reported_to").is_null()
    reasons = (
        pl.when(pl.col("timing") == NO_RULE).then(_why_no_rule()),
        _text(
            unheld & (pl.col("holder") == "user_facility"),
            "not known whether the clinic is a device user facility",
        ),
        _text(
            unheld & (pl.col("holder") == "hospital"), "not known whether the clinic is a hospital"
        ),
        _text(~pl.col("is_harm_known"), "not known whether it could have led to a serious event"),
        _text(is_timed & pl.col("clock_start").is_null(), "not known when the clinic became aware"),
        _text(
            is_due & pl.col("is_harm_known") & (pl.col("timing") == "at_once"),
            "without delay: the law gives no number of days",
        ),
        _text(is_due & (pl.col("timing") == "unstated"), "the law's article gives no period"),
        pl.when(to_another).then(
            pl.format("reported to {}: not a recipient of this rule", "reported_to")
        ),
        _text(unnamed, "to whom it was reported is not recorded"),
        pl.when(is_due & (pl.col("subject_kind") != "adverse_event")).then(
            pl.format("no field of a record of this kind ({}) holds a report", "subject_kind")
        ),
    )
    text = pl.concat_str(reasons, separator="; ", ignore_nulls=True)
    return pl.when(text != "").then(text)


def _why_no_rule() -> pl.Expr:
    whom = pl.col("person").replace_strict(_WHOM, return_dtype=pl.String)
    return _first_of(
        (
            pl.col("country").is_null(),
            pl.lit("no rule known: the clinic's country is not recorded"),
        ),
        (
            pl.col("country").is_in(COUNTRIES),
            pl.format("no rule known for {} in {}", whom, "country"),
        ),
        (
            pl.col("country").is_in(EUROPE),
            pl.format(
                "no rule known for this country ({}): the European Union's encourages users to report; whether they must "
                "is national law",
                "country",
            ),
        ),
        (pl.lit(True), pl.format("no rule known for this country ({})", "country")),
    )


_WHOM = {
    "patient": "harm to a patient",
    "staff": "harm to staff",
    "visitor": "harm to a visitor",
    "other": "harm to somebody else",
    "nobody": "a near miss",
}


def _text(condition: pl.Expr, text: str) -> pl.Expr:
    return pl.when(condition).then(pl.lit(text))


def _first(cases: tuple[tuple[pl.Expr, str], ...]) -> pl.Expr:
    texts = ((condition, pl.lit(text)) for condition, text in cases)
    return _first_of(*texts)


def _first_of(*cases: tuple[pl.Expr, pl.Expr]) -> pl.Expr:
    """The text of the first case that holds (null does not hold); null where none does."""
    return pl.coalesce(pl.when(condition).then(text) for condition, text in cases)
