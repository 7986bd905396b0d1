"""Which alerts stand, who has them, what is due and what happened in the last days, as people read
it: plain values.

Here: what is asked of what has landed and of the marts, and the words for it. Not here: how it is
laid out (page.py, opened.py), acting (acts.py). All of it is for the clinic's own staff.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import polars as pl

from ingest.alerting.duty import Duty, read_duty
from ingest.alerting.names import has_key, naming_key, outward
from ingest.alerting.standing import newest_first
from ingest.alerting.watching import why_unwatched
from transforms.alerting.harm import of_adverse_events
from transforms.alerting.history import as_they_stand, revisions, times_to_acknowledge, waits
from transforms.alerting.rules import RULES
from transforms.counting import spoken
from transforms.errors import FloeError, UsageError
from transforms.plain_text import one_line
from transforms.records.current import current

from ... import words
from ...filters import Chosen
from ...reader import Reader

SERIOUS_DAYS = 7
_IN_ORDER = {"open": 0, "acknowledged": 1, "investigating": 2}
_DUE = ("overdue", "due_now", "open")
_RECENT = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One look: the open alerts of the chosen clinic, the gravest states first; `elsewhere`: of
    other clinics, by tier.
    """

    now: datetime
    standing: pl.DataFrame  # every alert of `as_they_stand`
    open: pl.DataFrame
    elsewhere: dict[str, int]
    times: pl.DataFrame
    duty: Duty
    warnings: list[str]
    clinics: dict[str, str]


def shown(reader: Reader, choice: Chosen, clinics: dict[str, str], *, now: datetime) -> Shown:
    standing = reader.landed("alerts", as_they_stand)
    waited = reader.landed("alerts", _waited)
    is_open = standing.filter(pl.col("state") != "closed")
    mine = of_clinic(is_open, choice)
    others = is_open.join(mine, on="alert_id", how="anti").group_by("tier").len()
    duty, wrong = _duty(reader.settings)
    return Shown(
        now=now,
        standing=standing,
        open=in_order(mine),
        elsewhere=dict(others.iter_rows()),
        times=times_to_acknowledge(waited, as_of=now),
        duty=duty,
        warnings=[*_unwatched(reader, now=now), *wrong],
        clinics=clinics,
    )


def named(shown: Shown, settings, name: str) -> dict | None:
    """The alert of this name, its own or the one under which an alert of another program leaves the
    site.
    """
    rows = shown.standing.filter(pl.col("alert_id") == name)
    if rows.is_empty() and has_key(settings):
        key = naming_key(settings)
        own = [id for id in shown.standing["alert_id"] if outward(id, key=key) == name]
        rows = shown.standing.filter(pl.col("alert_id").is_in(own))
    if not rows.height:
        return None
    return rows.row(0, named=True)


def _waited(raw: pl.DataFrame) -> pl.DataFrame:
    return waits(revisions(raw))


def of_clinic(rows: pl.DataFrame, choice: Chosen) -> pl.DataFrame:
    """Those of the chosen clinic and those of none; without a choice all."""
    clinic = choice.dimensions.get("clinic_id")
    return (
        rows.filter((pl.col("clinic_id") == clinic) | pl.col("clinic_id").is_null())
        if clinic
        else rows
    )


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """What nobody has in hand first, then the newest."""
    place = pl.col("state").replace_strict(_IN_ORDER, default=0, return_dtype=pl.Int64)
    return newest_first(rows).sort(place, maintain_order=True)


def _duty(settings) -> tuple[Duty, list[str]]:
    """Who is on duty; where that can't be read nobody, and why."""
    try:
        return read_duty(settings.alerts), []
    except UsageError as error:
        return Duty(), [f"Who is on duty is unknown, and nobody may be told: {error}"]


def _unwatched(reader: Reader, *, now: datetime) -> list[str]:
    ask = partial(why_unwatched, reader.settings, now=now)
    try:
        return reader.inspect(ask, name="unwatched", max_age_s=2.0) or []
    except FloeError as error:
        return [f"Whether anybody watches is unknown: {error}"]


# --- words --------------------------------------------------------------------------------------


def title(row: dict) -> str:
    """The rule in words; of a rule that Floe does not know its name."""
    rule = RULES.get(row["rule"])
    text = rule.title if rule else one_line(row["rule"] or "an alert")
    return text[:1].upper() + text[1:]


def subject(row: dict) -> str:
    """What it is about, with its id."""
    kind = row["subject_kind"]
    return " ".join(
        filter(
            None, (words.name_of(one_line(kind)) if kind else "", one_line(row["subject_id"] or ""))
        )
    )


def clinic(row: dict, clinics: dict[str, str]) -> str:
    id = row["clinic_id"]
    if id is None:
        return "no clinic"
    return one_line(clinics.get(id, id))


def happened_at(row: dict) -> datetime | None:
    """When it happened, which was not after it landed, whatever the clock of whoever wrote it
    says.
    """
    landed_at = row["landed_at"] or row["ingested_at"]
    return min(filter(None, (row["occurred_at"], landed_at)), default=None)


def told_at(row: dict) -> datetime | None:
    """When it was last told; where nobody says, when the alert landed."""
    return row["told_at"] or row["ingested_at"]


def ago(at: datetime | None, *, now: datetime) -> str:
    """3 min ago; a moment ahead of this clock is just now."""
    if at is None:
        return "at a time that is not known"
    return f"{spoken(max(0.0, (now - at).total_seconds()))} ago"


def in_hand(row: dict, *, now: datetime) -> str:
    """Who has it, since when."""
    since = ago(row["since"], now=now)
    who = one_line(row["by"]) if row["by"] else None
    match row["state"]:
        case "open":
            return f"nobody has it in hand, since {since.removesuffix(' ago')}"
        case "acknowledged":
            return f"{who or 'somebody who gave no name'} has it, since {since}"
        case "investigating":
            return f"{who or 'somebody who gave no name'} looks into it, since {since}"
    return f"closed {since} by {who or 'Floe: its cause is gone'}"


def next_step(row: dict, duty: Duty, *, now: datetime) -> str:
    """Who was told, and who is told next while nobody acknowledges."""
    if row["state"] != "open" or row["rule"] not in RULES:
        return ""
    rule = duty.rule(row["rule"])
    for_whom = f"for the {words.name_of(row['assigned_role'] or rule.told).lower()}"
    if row["tier"] != "now" or told_at(row) is None:
        return for_whom
    steps, every = duty.steps(rule.id), timedelta(minutes=rule.acknowledge_min)
    if not steps:
        return f"{for_whom}; no rota is set, so nobody else is told"
    step = min((now - told_at(row)) // every + 1, steps)
    if step >= steps:
        return f"{for_whom}; everybody on the rota was told"
    due_s = max(0.0, (told_at(row) + step * every - now).total_seconds())
    return f"{for_whom}; next {duty.rota[rule.told][step]}, in {spoken(due_s)}"


# --- what happened in the last days, what is due ------------------------------------------------


def serious(reader: Reader, choice: Chosen, *, now: datetime) -> pl.DataFrame:
    """The causes of rule `harm` that are told at once and happened in the last seven days, the
    newest first.

    Columns of CAUSES, `happened_at`, `is_serious`, and of the alert `alert_id`, `state`, `since`,
    `by` (null without one).
    """
    rows = reader.landed("adverse_events", _harm).filter(
        pl.col("happened_at") > now - timedelta(days=SERIOUS_DAYS)
    )
    return of_clinic(rows, choice).sort("happened_at", "subject_id", descending=[True, False])


def _harm(raw: pl.DataFrame) -> pl.DataFrame:
    # two clinics, or two programs, may number alike: each record is one of its own
    own = pl.format("{}\x1f{}\x1f{}", "ae_id", pl.col("clinic_id").fill_null(""), "source")
    events = current("adverse_events", raw.with_columns(ae_id=own))
    events = events.with_columns(pl.col("ae_id").str.split("\x1f").list.first())
    return (
        of_adverse_events(events)
        .filter(pl.col("tier") == "now")
        .with_columns(
            happened_at=pl.min_horizontal("occurred_at", "landed_at"),
            is_serious=pl.col("finding").str.ends_with(", serious"),
        )
    )


def counted_serious(rows: pl.DataFrame, *, now: datetime) -> str:
    """How many in 24 hours and in seven days, and how many of them serious."""
    parts = []
    for name, part in (
        ("24 hours", rows.filter(pl.col("happened_at") > now - _RECENT)),
        ("seven days", rows),
    ):
        n, n_serious = part.height, int(part["is_serious"].sum())
        parts.append(
            f"{words.count(n)} in the last {name}"
            + (f" ({words.count(n_serious)} serious)" if n else "")
        )
    return "; ".join(parts) + "."


def is_recent(row: dict, *, now: datetime) -> bool:
    return row["happened_at"] > now - _RECENT


def alert_of(
    standing: pl.DataFrame,
    *,
    rule: str,
    kind: str,
    id: str,
    clinic_id: str | None,
    cause: str | None = None,
) -> dict | None:
    """The alert of a rule on a thing, by its id or as core names it where ids clash; the one that
    is least in hand.

    `cause`: of a rule with several on one thing, the one that is meant.
    """
    names = {id, f"{clinic_id}:{id}"}
    rows = standing.filter(
        pl.col("rule") == rule,
        pl.col("subject_kind") == kind,
        pl.col("subject_id").is_in(sorted(names)),
    )
    if cause is not None:
        rows = rows.filter(pl.col("cause") == cause)
    if clinic_id:
        rows = rows.filter(pl.col("clinic_id").is_null() | (pl.col("clinic_id") == clinic_id))
    place = pl.col("state").replace_strict(_IN_ORDER, default=3, return_dtype=pl.Int64)
    rows = rows.sort(place)
    if not rows.height:
        return None
    return rows.row(0, named=True)


def due(reader: Reader, choice: Chosen) -> pl.DataFrame:
    """Rows of mart.report_deadlines that somebody has to act on, the most pressing first."""
    rows = of_clinic(reader.mart("report_deadlines"), choice).filter(pl.col("state").is_in(_DUE))
    place = pl.col("state").replace_strict(
        {state: k for k, state in enumerate(_DUE)}, return_dtype=pl.Int64
    )
    return rows.sort(place, "due_on", "subject_id", "rule", nulls_last=True)
