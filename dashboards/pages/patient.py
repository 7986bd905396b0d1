"""One patient's page: sessions, pain, steps and adverse events on one time axis, and where each record came from.

Here: layout, what is asked, the events' places in Kafka. Not here: the figure (figures/patient.py). A reader from
outside the clinic sees no single patient.
"""

from dataclasses import replace

import polars as pl
from dash import Dash, Output, html

from transforms.instruments import PARAMETERS

from .. import ids, words
from ..components import (
    Chart,
    Drawn,
    chart_card,
    filled,
    grid,
    nothing,
    notice,
    outputs,
    panel,
    select,
    table_of,
    tile,
    tiles,
)
from ..figures.patient import story
from ..filters import chosen
from ..reader import Reader
from ..theme import Look, look
from .base import MARTS_INPUTS, Page, guarded, off_loop, waiting
from .cohort_charts import PAIN_INSTRUMENTS

_CHART = Chart(ids.STORY, "What happened to this patient, and when?", height=720)
_OUTCOMES = {"pain": "Pain", "disability": "Disability", "steps": "Steps a day", "walking_speed": "Walking speed",
             "quality_of_life": "Quality of life"}  # fmt: skip
_EVENT_COLUMNS = [
    {"field": "when", "headerName": "When", "minWidth": 170},
    {"field": "kind", "headerName": "Record", "minWidth": 130},
    {"field": "what", "headerName": "What", "minWidth": 320},
    {"field": "event_id", "headerName": "Event id", "minWidth": 190},
    {"field": "position", "headerName": "Kafka topic / partition / offset", "minWidth": 230},
]
_NOT_OUTSIDE = "Single patients are shown to the clinic's own staff only (FLOE_VIEWER_ROLE is outside)."


def layout(reader: Reader) -> list:
    return [
        html.H1("One patient"),
        html.P(
            "Sessions, pain, steps and adverse events on one time axis; below, each record and where it lies in Kafka.",
            className="lead",
        ),
        html.Div(select(ids.PATIENT, "Patient", placeholder="choose or type an id", width=300), className="controls"),
        html.Div(
            [
                html.Div(id=ids.PATIENT_FACTS),
                chart_card(_CHART),
                panel("Headline outcomes, and why one can't be given", html.Div(id=ids.PATIENT_REASONS)),
                panel(
                    "Records",
                    grid(ids.PATIENT_EVENTS, columns=_EVENT_COLUMNS, label="The patient's records", height=460),
                ),
            ],
            className="stack",
        ),
    ]


def register(app: Dash, reader: Reader) -> None:
    @app.callback(
        *outputs((_CHART,)),
        Output(ids.PATIENT_FACTS, "children"),
        Output(ids.PATIENT_REASONS, "children"),
        Output(ids.PATIENT_EVENTS, "rowData"),
        Output(ids.control(ids.PATIENT), "data"),
        *MARTS_INPUTS,
    )
    async def show(search, _version, scheme):
        return await off_loop(view, reader, search, scheme)


def view(reader: Reader, search: str | None, scheme: str | None) -> list:
    """Values of the callback's outputs for the URL's query."""
    of, asked = look(scheme), chosen(search).get(ids.PATIENT)
    people = reader.mart("adsl").sort("USUBJID")
    shown = _Shown(reader, asked if asked in people["USUBJID"] else None)
    drawn = guarded(lambda: {_CHART.id: _draw(shown, of, asked, people)}, (_CHART,), of)
    return [
        *filled((_CHART,), drawn, of=of, keep=shown.patient or ""),
        _facts(shown),
        _outcomes(shown),
        _records(shown),
        people["USUBJID"].to_list(),
    ]


class _Shown:
    """One patient's rows; empty frames where nobody is chosen."""

    def __init__(self, reader: Reader, patient: str | None) -> None:
        def rows(mart: str, order: str) -> pl.DataFrame:
            frame = reader.mart(mart, '"USUBJID" = $1', [patient or ""])
            return frame.sort(order, nulls_last=True)

        self.reader, self.patient = reader, patient
        self.person = rows("adsl", "USUBJID")
        self.sessions = rows("adex", "EXSTDTM")
        self.answers = rows("adqs", "ADTM")
        self.activity = rows("adact", "ADT")
        self.events = rows("adae", "ASTDTM")
        self.outcomes = reader.mart("patient_outcomes", "patient_id = $1", [patient or ""])

    @property
    def pain(self) -> pl.DataFrame:
        """Scores of scheduled pain questionnaires; those around a session have parameters of their own."""
        codes = [code for code, p in PARAMETERS.items() if p.instrument in PAIN_INSTRUMENTS]
        return self.answers.filter(pl.col("PARAMCD").is_in(codes))

    @property
    def steps(self) -> pl.DataFrame:
        return self.activity.filter(pl.col("PARAMCD") == "STEPS")


def _draw(shown: _Shown, of: Look, asked: str | None, people: pl.DataFrame) -> Drawn:
    if shown.patient is None:
        if shown.reader.is_outside:
            return nothing(_NOT_OUTSIDE, of=of)
        if people.is_empty():
            return nothing(waiting(shown.reader), of=of)
        return nothing(f"There is no patient {asked!r}." if asked else "Choose a patient above.", of=of)
    data_to = shown.outcomes["data_cutoff"].max() if shown.outcomes.height else None
    drawn = Drawn(
        figure=story(shown.sessions, shown.pain, shown.steps, shown.events, of=of, until=data_to),
        summary=_sentence(shown),
        notes=_not_drawn(shown),
        table=_events_table(shown.events),
        metrics=("visit_windows", "treatment_emergent"),
        data_to=data_to,
    )
    return replace(drawn, computed_at=shown.reader.changed_at("mart.adsl"))


def _sentence(shown: _Shown) -> str:
    delivered = shown.sessions.filter(pl.col("EXSTAT") == "delivered").height
    serious = (shown.events["AESER"] == "Y").sum()
    return (
        f"Patient {shown.patient}: {words.plural(delivered, 'session')} delivered, "
        f"{words.plural(shown.pain.height, 'pain score')}, "
        f"{shown.steps.height} weeks of steps, "
        f"{words.plural(shown.events.height, 'adverse event')} ({serious} serious). "
        "Times are UTC; an arrow is an ongoing event."
    )


def _not_drawn(shown: _Shown) -> tuple[str, ...]:
    """What the picture can't place, and why."""
    notes = []
    unknown = shown.events.filter(pl.col("ASTDTM").is_null()).height
    if unknown:
        notes.append(f"{words.plural(unknown, 'adverse event')} of unknown onset: in the tables only.")
    reasons = pl.concat([f.filter(pl.col("AVAL").is_null()).select("NEREASON") for f in (shown.pain, shown.steps)])
    notes += [
        f"{words.plural(n, 'value')} can't be given: {reason}."
        for reason, n in reasons.drop_nulls().group_by("NEREASON").len().sort("NEREASON").iter_rows()
    ]
    if shown.steps.is_empty():
        notes.append("No week of steps: no wearable has sent any.")
    return tuple(notes)


def _events_table(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        event="AETERM", term="AEDECOD", grade="AETOXGR", serious="AESER", related="AEREL", onset="ASTDT", end="AENDT",
        treatment_emergent="TRTEMFL", hours_since_session=pl.col("HRSSESS").round(1), outcome="AEOUT",
    )  # fmt: skip


# --- beside the chart -------------------------------------------------------------------------------


def _facts(shown: _Shown):
    if shown.person.is_empty():
        return notice(_NOT_OUTSIDE, title="Not for readers from outside") if shown.reader.is_outside else None
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
                f"{words.name_of(r['MODALITY'])}; arm {words.name_of(r['ARM'])}",
            ),
            tile(
                "Day 1",
                words.day(r["DAY1DT"]),
                "first delivered session" if r["TRTSDT"] else "enrolment: no session delivered",
            ),
            tile(
                "Sessions delivered",
                words.count(r["NSESS"]),
                f"{words.name_of(r['EOSSTT'])}{reason}; last contact {words.day(r['LSTCONDT'])}",
            ),
        ]
    )


def _outcomes(shown: _Shown):
    if shown.outcomes.is_empty():
        return html.P("No patient is chosen.", className="small")
    r = shown.outcomes.row(0, named=True)
    rows = [
        (title, r.get(f"{name}_parameter") or name.upper() if f"{name}_parameter" in r else words.NOTHING,
         words.number(r[f"{name}_baseline"]), words.number(r[f"{name}_latest"]), words.day(r[f"{name}_latest_on"]),
         words.number(r[f"{name}_change"]), r[f"{name}_reason"] or words.NOTHING)
        for name, title in _OUTCOMES.items()
    ]  # fmt: skip
    columns = ["outcome", "parameter", "baseline", "latest", "on", "change", "why not"]
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    return table_of(frame, caption="A change of one patient is not an effect of the treatment")


def _records(shown: _Shown) -> list[dict]:
    """Every record with its event id and its place in Kafka, the newest first."""
    if shown.patient is None:
        return []
    found = _as_records(shown)
    ids_by_topic = {kind: rows["event_id"].to_list() for (kind,), rows in found.group_by("topic")}
    places = {
        event_id: f"{topic} / {partition} / {offset}"
        for event_id, topic, partition, offset in shown.reader.positions(ids_by_topic).iter_rows()
    }
    return [
        {"when": "unknown" if r["at"] is None else f"{r['at']:%Y-%m-%d %H:%M}", "kind": r["kind"], "what": r["what"],
         "event_id": r["event_id"], "position": places.get(r["event_id"], words.NOTHING)}
        for r in found.sort("at", descending=True, nulls_last=True).iter_rows(named=True)
    ]  # fmt: skip


def _as_records(shown: _Shown) -> pl.DataFrame:
    """topic, at, kind, what, event_id of each session, questionnaire, performance test and adverse event."""
    rows = [
        (
            "sessions",
            r["EXSTDTM"],
            "session",
            f"{words.name_of(r['MODALITY'])}, {r['EXSTAT']}, {words.number(r['EXDUR'], 0)} s",
            r["EVENTID"],
        )
        for r in shown.sessions.iter_rows(named=True)
    ]
    rows += [
        ("adverse_events", r["ASTDTM"], "adverse event",
         f"{r['AETERM']}, grade {words.count(r['AETOXGR'])}" + (", serious" if r["AESER"] == "Y" else ""), r["EVENTID"])
        for r in shown.events.iter_rows(named=True)
    ]  # fmt: skip
    answers = shown.answers.filter(pl.col("EVENTID").is_not_null()).group_by("EVENTID", maintain_order=True)
    for (event_id,), items in answers:
        said = ", ".join(f"{r['PARAMCD']} {words.number(r['AVAL'], 1)}" for r in items.iter_rows(named=True))
        rows.append(("responses", items["ADTM"][0], "questionnaire", said, event_id))
    tests = shown.activity.filter(pl.col("EVENTID").is_not_null() & pl.col("WEEKSTDT").is_null())
    rows += [
        (
            "performance_tests",
            r["ADT"],
            "performance test",
            f"{r['PARAMCD']} {words.number(r['AVAL'], 1)} {r['AVALU'] or ''}",
            r["EVENTID"],
        )
        for r in tests.with_columns(pl.col("ADT").cast(pl.Datetime("us", "UTC"))).iter_rows(named=True)
    ]
    schema = {
        "topic": pl.String,
        "at": pl.Datetime("us", "UTC"),
        "kind": pl.String,
        "what": pl.String,
        "event_id": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


PATIENT = Page(path="/patient", name="Patient", layout=layout, register=register, controls=(ids.PATIENT,))
