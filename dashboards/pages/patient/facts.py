"""What stands beside a patient's chart: who it is, outcomes, and where each record came from.

Here: rows -> tables. Not here: the chart and its events (page.py).
"""

from collections.abc import Iterator

import polars as pl
from dash import html

from transforms.facts.headlines import HEADLINES

from ... import words
from ...components import tile, tiles
from ...tables import table_of
from .shown import Shown


def _studies(person: pl.DataFrame) -> str:
    """The patient's studies with the arm in each."""
    return "; ".join(
        words.study(r["STUDYID"]) + (f", arm {words.name_of(r['ARM'])}" if r["ARM"] else "")
        for r in person.iter_rows(named=True)
    )


def facts_of(shown: Shown):
    if shown.person.is_empty():
        return None
    r = shown.person.row(0, named=True)
    reason = f", {r['EOSREAS']}" if r["EOSREAS"] else ""
    return tiles(
        [
            tile(
                "Patient",
                r["USUBJID"],
                f"{r['SEX'] or 'sex unknown'}, {words.count(r['AGE'])} years, {r['SITEID'] or 'no clinic'}",
            ),
            tile(
                "Treated for",
                words.name_of(r["INDICATN"]),
                f"{words.name_of(r['MODALITY'])}; {_studies(shown.person)}",
            ),
            tile(
                "Day 1",
                words.day(r["DAY1DT"]),
                "first delivered session of the first treatment episode"
                if r["TRTSDT"]
                else "enrolment: no session delivered",
            ),
            tile(
                "Sessions delivered",
                words.count(r["NSESS"]),
                f"{words.name_of(r['EOSSTT'])}{reason}; last contact {words.day(r['LSTCONDT'])}",
            ),
        ]
    )


def outcomes(shown: Shown):
    if shown.headline.is_empty():
        return html.P("No patient is chosen.", className="small")
    r = shown.headline.row(0, named=True)
    rows = [
        (
            outcome.words,
            r.get(f"{name}_parameter") or name.upper()
            if f"{name}_parameter" in r
            else words.NOTHING,
            words.short(r[f"{name}_baseline"]),
            words.short(r[f"{name}_latest"]),
            words.day(r[f"{name}_latest_on"]),
            words.short(r[f"{name}_change"]),
            words.name_of(r[f"{name}_change_class"]),
            r[f"{name}_reason"] or words.NOTHING,
        )
        for name, outcome in HEADLINES.items()
    ]
    columns = [
        "outcome",
        "parameter",
        "baseline",
        "latest",
        "on",
        "change",
        "beyond measurement error",
        "why not",
    ]
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    caption = (
        "Of the patient's first treatment episode: what came after it is in the chart above. A change of one patient is "
        "not an effect of the treatment"
    )
    return table_of(frame, caption=caption)


def records_table(shown: Shown) -> list[dict]:
    """Every record with its event id and its place in Kafka, the newest first."""
    if shown.patient is None:
        return []
    records = _as_records(shown)
    ids_by_topic = {kind: rows["event_id"].to_list() for (kind,), rows in records.group_by("topic")}
    places = {
        event_id: f"{topic} / {partition} / {offset}"
        for event_id, topic, partition, offset in shown.reader.positions(ids_by_topic).iter_rows()
    }
    return [
        {
            "when": when(r),
            "kind": r["kind"],
            "what": r["what"],
            "event_id": r["event_id"],
            "position": places.get(r["event_id"], words.NOTHING),
        }
        for r in records.sort("at", descending=True, nulls_last=True).iter_rows(named=True)
    ]


def when(r: dict) -> str:
    """Of a test only the day is known."""
    if r["at"] is None:
        return "unknown"
    if r["kind"] == "performance test":
        return f"{r['at']:%Y-%m-%d}"
    return f"{r['at']:%Y-%m-%d %H:%M}"


def _as_records(shown: Shown) -> pl.DataFrame:
    """topic, at, kind, what, event_id of each session, questionnaire, performance test and adverse
    event.
    """
    rows = [
        *(_session(r) for r in shown.sessions.iter_rows(named=True)),
        *(_adverse_event(r) for r in shown.events.iter_rows(named=True)),
        *_questionnaires(shown.answers),
        *_performance_tests(shown.activity),
    ]
    schema = {
        "topic": pl.String,
        "at": pl.Datetime("us", "UTC"),
        "kind": pl.String,
        "what": pl.String,
        "event_id": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _session(r: dict) -> tuple:
    modality, duration = words.name_of(r["MODALITY"]), words.number(r["EXDUR"], 0)
    what = f"{modality}, {r['EXSTAT']}, {duration} s"
    return "sessions", r["EXSTDTM"], "session", what, r["EVENTID"]


def _adverse_event(r: dict) -> tuple:
    what = f"{r['AETERM']}, grade {words.count(r['AETOXGR'])}"
    if r["AESER"] == "Y":
        what += ", serious"
    return "adverse_events", r["ASTDTM"], "adverse event", what, r["EVENTID"]


def _questionnaires(answers: pl.DataFrame) -> Iterator[tuple]:
    landed = answers.filter(pl.col("EVENTID").is_not_null())
    for (event_id,), items in landed.group_by("EVENTID", maintain_order=True):
        what = ", ".join(
            f"{r['PARAMCD']} {words.short(r['AVAL'], 1)}" for r in items.iter_rows(named=True)
        )
        yield "responses", items["ADTM"][0], "questionnaire", what, event_id


def _performance_tests(activity: pl.DataFrame) -> Iterator[tuple]:
    tests = activity.filter(pl.col("EVENTID").is_not_null() & pl.col("WEEKSTDT").is_null())
    tests = tests.with_columns(pl.col("ADT").cast(pl.Datetime("us", "UTC")))
    for r in tests.iter_rows(named=True):
        what = f"{r['PARAMCD']} {words.short(r['AVAL'])} {r['AVALU'] or ''}"
        yield "performance_tests", r["ADT"], "performance test", what, r["EVENTID"]
