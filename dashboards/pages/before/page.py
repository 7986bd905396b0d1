"""The page before the session: who is expected today and tomorrow, clinic by clinic, and what to
look at first.

Here: layout, the lists as tables that can be printed. Not here: the lists themselves
(ingest/alerting/lists.py).
"""

from datetime import UTC, date, datetime
from functools import partial

import polars as pl
from dash import Dash, Input, Output, dcc, html

from ingest.alerting.lists import Before, before_sessions
from ingest.lake import Lake
from transforms.alerting.concerns import CONCERNS
from transforms.errors import FloeError
from transforms.rules.local_time import with_local_text

from ... import ids, words
from ...components import notice, panel
from ...filters import chosen, search_of
from ...reader import Reader
from ..base import Page, off_loop, waiting

PATH = "/before"
MAX_AGE_S = 20
STAFF_ONLY = (
    "Lists of patients are shown to the clinic's own staff only (FLOE_VIEWER_ROLE is outside)."
)
_LEAD = "Who is expected today and tomorrow by the clinic's own clock, and what to look at before each session."
_EXPECTED = (
    "No event books a session. Who is listed is expected: a course is running, and its beginning, the weekday or the spacing "
    "of the sessions before points to that day, as each line says. Others may come. Marked with \N{WARNING SIGN}: no session "
    "before somebody has looked at it."
)
_NOT = (
    "This list is no medical device and replaces neither the check before a session nor watching the patient: it knows only "
    "what has been recorded and has landed."
)
_HEAD = (
    "",
    "Patient",
    "Look at first",
    "Why expected",
    "Session",
    "Device",
    "Last session",
    "Screened",
)


def layout(reader: Reader) -> list:
    return [
        html.H1("Before the session"),
        html.P(_LEAD, className="lead"),
        html.Div(html.Div(id=ids.BEFORE), className="stack"),
    ]


def register(app: Dash, reader: Reader) -> None:
    @app.callback(
        Output(ids.BEFORE, "children"), Input(ids.URL, "search"), Input(ids.STREAM_VERSION, "data")
    )
    async def show(search, _version):
        return await off_loop(view, reader, search)


def view(reader: Reader, search: str | None) -> list:
    """What fills the page for the URL's query."""
    if reader.is_outside:
        return [html.P(STAFF_ONLY)]
    if not reader.has_landed:
        return [html.P(waiting(reader))]
    try:
        listed = reader.inspect(
            partial(_ask, reader=reader), name="before the session", max_age_s=MAX_AGE_S
        )
    except FloeError as error:
        return [notice(f"This can't be shown: {error}", title="No list", color="red")]
    return [html.P(waiting(reader))] if listed is None else shown(listed, search)


def _ask(lake: Lake, *, reader: Reader) -> Before:
    return before_sessions(lake, now=datetime.now(UTC), options=reader.settings.options)


def shown(listed: Before, search: str | None) -> list:
    clinic = chosen(search).asked.get("clinic_id")
    names = {
        id: f"{name} ({id})" if name else id
        for id, name, _ in listed.clinics.sort("clinic_id").iter_rows()
    }
    people = (
        listed.people if clinic is None else listed.people.filter(pl.col("clinic_id") == clinic)
    )
    asked = [id for id in names if clinic in (None, id)]
    others = [id for id in people["clinic_id"].unique().sort() if id not in asked]
    cards = [
        card
        for id in (*asked, *others)
        for card in _clinic(listed, people, id, names.get(id, id or "Clinic not known"))
    ]
    return [
        _choice(names, clinic),
        html.P(
            f"As of {words.moment(listed.at)}, from all that has landed until then.",
            className="small",
        ),
        html.P(_EXPECTED, className="caption"),
        html.P(_NOT, className="caption"),
        html.Div(cards or [html.P("No clinic is on record.")], className="stack"),
        _described(),
    ]


def _choice(names: dict[str, str], clinic: str | None):
    here = {"aria-current": "true"}
    links = [dcc.Link("All clinics", href=PATH)] + [
        dcc.Link(name, href=PATH + search_of({"clinic": id})) for id, name in names.items()
    ]
    marks = [clinic is None, *(clinic == id for id in names)]
    items = [
        html.Li(html.Strong(link, **here) if is_here else link)
        for link, is_here in zip(links, marks, strict=True)
    ]
    return html.Nav(html.Ul(items, className="choice"), **{"aria-label": "Clinics"})


def _clinic(listed: Before, people: pl.DataFrame, clinic: str | None, name: str) -> list:
    mine = people.filter(pl.col("clinic_id").eq_missing(pl.lit(clinic)))
    days = mine["day"].unique().sort().to_list()
    devices = _devices(listed.devices.filter(pl.col("clinic_id").eq_missing(pl.lit(clinic))), days)
    if not days:
        body = [html.P("Nobody is expected today or tomorrow: no course is running."), *devices]
        return [panel(name, html.Div(body))]
    return [
        _sheet(mine.filter(pl.col("day") == day), day, name, devices, is_first=day == days[0])
        for day in days
    ]


def _sheet(rows: pl.DataFrame, day: date, name: str, devices: list, *, is_first: bool):
    likely, grave = (rows["expected"] == "likely").sum(), rows["is_grave"].sum()
    listed = rows.filter((pl.col("expected") == "likely") | (pl.col("concerns").list.len() > 0))
    rest = rows.height - listed.height
    caption = (
        f"{words.plural(int(likely), 'patient')} likely to come; {int(grave)} to be looked at before a session "
        f"(with those who may come). {rest} more with a running course may come, with nothing to look at."
    )
    for column in ("last_session_at", "screened_at", "not_before"):
        listed = with_local_text(listed, at=column, into=f"{column}_text", form="%-d %b, %H:%M")
    body = html.Tbody([_row(row) for row in listed.iter_rows(named=True)])
    head = html.Thead(
        html.Tr(
            [html.Th(text or html.Span("Done", className="unseen"), scope="col") for text in _HEAD]
        )
    )
    table = html.Div(
        html.Table([head, body], className="plain sheet"),
        className="scroller",
        tabIndex="0",
        role="region",
        **{"aria-label": f"Expected at {name}, {day:%A %-d %B %Y}"},
    )
    children = [
        *(devices if is_first else []),
        table if listed.height else html.P("Nobody is listed."),
    ]
    title = f"{name}: {day:%A, %-d %B %Y} ({'today' if is_first else 'tomorrow'})"
    return panel(title, html.Div(children), subtitle=caption)


def _row(row: dict) -> html.Tr:
    grave = {code for code, concern in CONCERNS.items() if concern.is_grave}
    concerns = [
        html.Li(
            [html.Strong("\N{WARNING SIGN}\N{VARIATION SELECTOR-15} "), text]
            if code in grave
            else text
        )
        for code, text in zip(row["codes"], row["concerns"], strict=True)
    ]
    sessions = (
        f"{row['sessions_done']} of {row['prescribed_sessions']}"
        if row["prescribed_sessions"]
        else words.NOTHING
    )
    expected = row["why"] if row["expected"] == "likely" else f"may come: {row['why']}"
    device = row["device_id"]
    cells = (
        html.Span("\N{BALLOT BOX}", **{"aria-hidden": "true"}),
        dcc.Link(row["patient_id"], href="/patient" + search_of({"patient": row["patient_id"]})),
        html.Ul(concerns) if concerns else "nothing on record",
        expected,
        f"{words.name_of(row['modality'])}, {sessions} delivered",
        dcc.Link(device, href="/devices" + search_of({"device": device}))
        if device
        else words.NOTHING,
        row["last_session_at_text"] or "none yet",
        row["screened_at_text"] or "not yet",
    )
    return html.Tr(
        [html.Td(cell) for cell in cells], className="grave" if row["is_grave"] else None
    )


def _devices(devices: pl.DataFrame, days: list[date]) -> list:
    """The clinic's cryotherapy devices that are out of use or overdue on the first of the days."""
    day = days[0] if days else datetime.now(UTC).date()
    cryo = devices.filter(pl.col("kind").is_in(["cryo", "room_monitor"]))
    is_out, is_due = pl.col("out_from") <= day, pl.col("calibration_due_on") < day
    troubled = cryo.filter(
        is_out.fill_null(False) | is_due.fill_null(False) | (pl.col("could_have_harmed") > 0)
    )
    items = [
        html.Li(
            [
                html.Strong(
                    dcc.Link(
                        r["device_id"], href="/devices" + search_of({"device": r["device_id"]})
                    )
                ),
                f": {state_of(r, day=day)}",
            ]
        )
        for r in troubled.iter_rows(named=True)
    ]
    if not items:
        return [
            html.P(
                "Devices of the clinic: none is out of use or overdue for calibration.",
                className="small",
            )
        ]
    return [
        html.P("Devices of the clinic to know of:", className="small"),
        html.Ul(items, className="small"),
    ]


def state_of(device: dict, *, day: date) -> str:
    """What is to be known of a device on a day, in words; in use where nothing is."""
    parts = []
    if device["out_from"] and device["out_from"] <= day:
        who = f", says {device['out_by']}" if device["out_by"] else ""
        why = f" ({device['out_why']})" if device["out_why"] else ""
        parts.append(f"out of use since {words.day(device['out_from'])}{who}{why}")
    elif device["out_from"]:
        parts.append(f"in use until {words.day(device['out_from'])}")
    if device["calibration_due_on"] and device["calibration_due_on"] < day:
        parts.append(f"calibration was due on {words.day(device['calibration_due_on'])}")
    if device["deficiencies"]:
        serious = (
            f", {device['could_have_harmed']} of which could have harmed"
            if device["could_have_harmed"]
            else ""
        )
        parts.append(
            f"{words.count(device['deficiencies'])} reported as deficient since its calibration{serious}"
        )
    return "; ".join(parts) or "in use"


def _described():
    items = [
        item
        for concern in CONCERNS.values()
        for item in (html.Dt(concern.title.capitalize()), html.Dd(f"{concern.when}."))
    ]
    return html.Details(
        [html.Summary("What is looked at, and how"), html.Dl(items, className="small")]
    )


BEFORE = Page(path=PATH, name="Before", layout=layout, register=register)
