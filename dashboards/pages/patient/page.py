"""One patient's page: sessions, pain, steps and adverse events on one time axis, and where each
record came from.

Here: its cards, what is asked, the events' places in Kafka. Not here: the figure
(figures/patient.py), what wearables measured beside steps (vitals.py). A reader from outside the
clinic sees no single patient.
"""

import polars as pl
from dash import html
from dash.development.base_component import Component

from transforms.instruments import PARAMETERS

from ... import ids, words
from ...components import WRAPPED, Drawn, grid, panel, table_of, tile, tiles
from ...figures.patient import story
from ...filters import Chosen
from ...parameters import PAIN_INSTRUMENTS
from ...reader import Reader
from ...theme import Look
from .. import cards
from ..base import waiting
from ..cards import Card, CardPage, Control, Fill, listing, staff_only
from .vitals import not_given, vitals_card

_OUTCOMES = {
    "pain": "Pain",
    "disability": "Disability",
    "steps": "Steps a day",
    "walking_speed": "Walking speed",
    "quality_of_life": "Quality of life",
}
_EVENT_COLUMNS = [
    {"field": "when", "headerName": "When (UTC)", "minWidth": 150},
    {"field": "kind", "headerName": "Record", "minWidth": 140},
    {"field": "what", "headerName": "What", "minWidth": 260, **WRAPPED},
    {"field": "event_id", "headerName": "Event id", "minWidth": 300, **WRAPPED},
    {
        "field": "position",
        "headerName": "Kafka topic / partition / offset",
        "minWidth": 280,
        **WRAPPED,
    },
]
_NOT_OUTSIDE = (
    "Single patients are shown to the clinic's own staff only (FLOE_VIEWER_ROLE is outside)."
)


class Shown(cards.Shown):
    """One patient's rows; empty frames where nobody is chosen."""

    def __init__(self, reader: Reader, choice: Chosen) -> None:
        super().__init__(reader, choice)
        self.people = reader.mart("adsl")["USUBJID"].unique().sort().to_list()
        asked = choice.get(ids.PATIENT)
        self.patient = asked if asked in self.people else None
        if self.patient is None:
            self.why_nothing = self._why_nobody(asked)

        def rows(mart: str, order: str) -> pl.DataFrame:
            frame = reader.mart(mart, '"USUBJID" = $1', [self.patient or ""])
            return frame.sort(order, nulls_last=True)

        self.person = rows(
            "adsl", "TRTSDT"
        )  # the first row: the study in which the patient was treated first
        self.sessions = rows("adex", "EXSTDTM")
        # an assessment may be told of two studies
        self.answers = rows("adqs", "ADTM").unique(
            ["PARAMCD", "EVENTID"], keep="first", maintain_order=True
        )
        self.activity = rows("adact", "ADT").unique(
            ["PARAMCD", "ADT", "EVENTID"], keep="first", maintain_order=True
        )
        self.events = rows("adae", "ASTDTM")
        self.headline = reader.mart("patient_outcomes", "patient_id = $1", [self.patient or ""])

    @property
    def selection(self) -> str:
        return f"patient {self.patient}" if self.patient else "nobody"

    def selection_of(self, mart: str) -> str:
        return self.selection

    @property
    def pain(self) -> pl.DataFrame:
        """Scores of scheduled pain questionnaires; those around a session have parameters of their
        own.
        """
        codes = [code for code, p in PARAMETERS.items() if p.instrument in PAIN_INSTRUMENTS]
        return self.answers.filter(pl.col("PARAMCD").is_in(codes))

    @property
    def steps(self) -> pl.DataFrame:
        return self.activity.filter(pl.col("PARAMCD") == "STEPS")

    def _why_nobody(self, asked: str | None) -> str:
        if self.reader.is_outside:
            return _NOT_OUTSIDE
        if not self.people:
            return waiting(self.reader)
        return f"There is no patient {asked!r}." if asked else "Choose a patient above."


def _story(shown: Shown, of: Look) -> Drawn:
    data_to = shown.headline["data_cutoff"].max() if shown.headline.height else None
    return Drawn(
        figure=story(shown.sessions, shown.pain, shown.steps, shown.events, of=of, until=data_to),
        summary=_sentence(shown),
        notes=_not_drawn(shown),
        table=_events_table(shown.events),
        metrics=("visit_windows", "treatment_emergent"),
        data_to=data_to,
    )


def _sentence(shown: Shown) -> str:
    delivered = shown.sessions.filter(pl.col("EXSTAT") == "delivered").height
    serious = (shown.events["AESER"] == "Y").sum()
    return (
        f"Patient {shown.patient}: {words.plural(delivered, 'session')} delivered, "
        f"{words.plural(shown.pain.height, 'pain score')}, "
        f"{shown.steps.height} weeks of steps, "
        f"{words.plural(shown.events.height, 'adverse event')} ({serious} serious). "
        "Times are UTC; an arrow is an ongoing event."
    )


def _not_drawn(shown: Shown) -> tuple[str, ...]:
    """What the picture can't place, and why."""
    notes = []
    unknown = shown.events.filter(pl.col("ASTDTM").is_null()).height
    if unknown:
        notes.append(
            f"{words.plural(unknown, 'adverse event')} of unknown onset: in the tables only."
        )
    notes += not_given(shown.pain, shown.steps)
    if shown.steps.is_empty():
        notes.append("No week of steps: no wearable has sent any.")
    return tuple(notes)


def _events_table(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        event="AETERM",
        term="AEDECOD",
        grade="AETOXGR",
        serious="AESER",
        related="AEREL",
        onset="ASTDT",
        end="AENDT",
        treatment_emergent="TRTEMFL",
        hours_since_session=pl.col("HRSSESS").round(1),
        outcome="AEOUT",
    )


# --- beside the chart ---------------------------------------------------------------------------


def _studies(person: pl.DataFrame) -> str:
    """The patient's studies with the arm in each."""
    return "; ".join(
        words.study(r["STUDYID"]) + (f", arm {words.name_of(r['ARM'])}" if r["ARM"] else "")
        for r in person.iter_rows(named=True)
    )


def _facts(shown: Shown):
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
                "first delivered session" if r["TRTSDT"] else "enrolment: no session delivered",
            ),
            tile(
                "Sessions delivered",
                words.count(r["NSESS"]),
                f"{words.name_of(r['EOSSTT'])}{reason}; last contact {words.day(r['LSTCONDT'])}",
            ),
        ]
    )


def _outcomes(shown: Shown):
    if shown.headline.is_empty():
        return html.P("No patient is chosen.", className="small")
    r = shown.headline.row(0, named=True)
    rows = [
        (
            title,
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
        for name, title in _OUTCOMES.items()
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
    return table_of(frame, caption="A change of one patient is not an effect of the treatment")


def _records(shown: Shown) -> list[dict]:
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
        {
            "when": _when(r),
            "kind": r["kind"],
            "what": r["what"],
            "event_id": r["event_id"],
            "position": places.get(r["event_id"], words.NOTHING),
        }
        for r in found.sort("at", descending=True, nulls_last=True).iter_rows(named=True)
    ]


def _when(r: dict) -> str:
    """Of a test only the day is known."""
    if r["at"] is None:
        return "unknown"
    return f"{r['at']:%Y-%m-%d}" if r["kind"] == "performance test" else f"{r['at']:%Y-%m-%d %H:%M}"


def _as_records(shown: Shown) -> pl.DataFrame:
    """topic, at, kind, what, event_id of each session, questionnaire, performance test and adverse
    event.
    """
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
        (
            "adverse_events",
            r["ASTDTM"],
            "adverse event",
            f"{r['AETERM']}, grade {words.count(r['AETOXGR'])}"
            + (", serious" if r["AESER"] == "Y" else ""),
            r["EVENTID"],
        )
        for r in shown.events.iter_rows(named=True)
    ]
    answers = shown.answers.filter(pl.col("EVENTID").is_not_null()).group_by(
        "EVENTID", maintain_order=True
    )
    for (event_id,), items in answers:
        said = ", ".join(
            f"{r['PARAMCD']} {words.short(r['AVAL'], 1)}" for r in items.iter_rows(named=True)
        )
        rows.append(("responses", items["ADTM"][0], "questionnaire", said, event_id))
    tests = shown.activity.filter(pl.col("EVENTID").is_not_null() & pl.col("WEEKSTDT").is_null())
    rows += [
        (
            "performance_tests",
            r["ADT"],
            "performance test",
            f"{r['PARAMCD']} {words.short(r['AVAL'])} {r['AVALU'] or ''}",
            r["EVENTID"],
        )
        for r in tests.with_columns(pl.col("ADT").cast(pl.Datetime("us", "UTC"))).iter_rows(
            named=True
        )
    ]
    schema = {
        "topic": pl.String,
        "at": pl.Datetime("us", "UTC"),
        "kind": pl.String,
        "what": pl.String,
        "event_id": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _body(cards: dict[str, Component], reader: Reader) -> list:
    records = grid(
        ids.PATIENT_EVENTS, columns=_EVENT_COLUMNS, label="The patient's records", height=460
    )
    return [
        html.Div(id=ids.PATIENT_FACTS),
        cards[ids.STORY],
        cards[ids.VITALS],
        staff_only(
            panel(
                "Headline outcomes, and why one can't be given", html.Div(id=ids.PATIENT_REASONS)
            ),
            reader,
        ),
        staff_only(panel("Records", records), reader),
    ]


PATIENT = CardPage(
    path="/patient",
    name="Patient",
    heading="One patient",
    lead="Sessions, pain, steps and adverse events on one time axis; below, each record and where it lies in Kafka.",
    shown=Shown,
    bar=(
        Control(
            name=ids.PATIENT,
            label="Patient",
            placeholder="choose or type an id",
            width=300,
            options=lambda s: s.people,
        ),
    ),
    cards=(
        Card(
            ids.STORY,
            "What happened to this patient, and when?",
            720,
            draw=_story,
            least_width=640,
            mart="adsl",
        ),
        Card(
            ids.VITALS,
            "What did the wearables measure beside steps?",
            720,
            draw=lambda s, of: vitals_card(s.activity, s.headline, of=of),
            least_width=640,
            mart="adact",
        ),
    ),
    beside=(
        Fill(ids.PATIENT_FACTS, _facts),
        Fill(ids.PATIENT_REASONS, _outcomes),
        *listing(ids.PATIENT_EVENTS, _records, mart="adsl", none="No patient is chosen."),
    ),
    body=_body,
)
