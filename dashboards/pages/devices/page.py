"""The devices page: who else was on a device since its last good check, and taking it out of use,
and back.

Here: layout, tables, the form. Not here: the lists (ingest/alerting/lists.py), what is published
(ingest/alerting/out_of_use.py).
"""

from datetime import UTC, date, datetime
from functools import partial

import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update

from ingest import stream
from ingest.alerting.lists import OnDevice, devices, on_device
from ingest.alerting.out_of_use import back_in_use, out_of_use
from ingest.secrecy import hidden
from transforms.errors import FloeError, UsageError
from transforms.facts.device_events import DEFICIENCY, FAULT

from ... import ids, words
from ...components import notice, panel
from ...filters import chosen, search_of
from ...reader import Reader
from ...tables import table_of
from ..base import Page, off_loop, waiting
from ..before.page import STAFF_ONLY, state_of
from .device_events import of_device_in_words, of_devices
from .who_else import others_on_device

PATH = "/devices"
_MAX_AGE_S = 10
_HIDDEN, _SHOWN = {"display": "none"}, {}
_LIST_HEAD = (
    "Device",
    "Clinic",
    "Kind",
    "Calibrated",
    "Due",
    "State",
    "Deficiencies / sessions: per 100 (95 % CI)",
    "Stopped by the interlock / sessions: per 100 (95 % CI)",
)
_ABOUT_LIST = (
    "Wearables left out. Choose one to see who else was on it. Rates are of the device's sessions at its clinic, in the order of "
    "names: no ranking; none on record does not mean none happened."
)


def link_to(*, device_id: str | None = None, alert_id: str | None = None) -> str:
    """The address of who else was on a device, or on that of an alert."""
    return PATH + search_of({"device": device_id, "alert": alert_id})


def layout(reader: Reader) -> list:
    form = [] if reader.is_outside else [_form()]
    return [
        html.H1("Devices"),
        html.P(
            "Which are out of use or overdue, and who else was on one since its last good check.",
            className="lead",
        ),
        html.Div(
            [html.Div(id=ids.WHO_ELSE), *form, html.Div(id=ids.DEVICE_LIST)], className="stack"
        ),
    ]


def _form() -> html.Div:
    fields = [
        dmc.TextInput(id=ids.DEVICE_BY, label="Who says so", placeholder="name or role", w=220),
        dmc.TextInput(
            id=ids.DEVICE_WHY, label="Why", placeholder="what is wrong, or what was done", w=380
        ),
        dmc.TextInput(
            id=ids.DEVICE_FROM,
            label="From which day on",
            placeholder="YYYY-MM-DD; empty: today",
            w=220,
        ),
        dmc.Button("Take out of use", id=ids.DEVICE_OUT, color="red.9"),
        dmc.Button("Put back into use", id=ids.DEVICE_BACK, variant="default"),
    ]
    body = [
        html.Div(fields, className="controls"),
        html.P(id=ids.DEVICE_SAID, className="caption", role="status"),
    ]
    about = (
        "A session on it from that day on raises an alert at once. It holds whatever the register of devices sends later, until "
        "somebody puts the device back here. Nobody signs in yet: the name is what you give."
    )
    card = panel("Out of use, and back", html.Div(body), subtitle=about)
    return html.Div(card, id=ids.DEVICE_FORM, style=_HIDDEN)


def register(app: Dash, reader: Reader) -> None:
    form = [] if reader.is_outside else [Output(ids.DEVICE_FORM, "style")]
    inputs = (Input(ids.URL, "search"), Input(ids.STREAM_VERSION, "data"))

    @app.callback(
        Output(ids.WHO_ELSE, "children"), Output(ids.DEVICE_LIST, "children"), *form, *inputs
    )
    async def show(search, _version):
        who_else, every, style = await off_loop(view, reader, search)
        return [who_else, every, *([style] if form else [])]

    if reader.is_outside:  # who may not see it has no door to act by
        return

    @app.callback(
        Output(ids.DEVICE_SAID, "children"),
        Input(ids.DEVICE_OUT, "n_clicks"),
        Input(ids.DEVICE_BACK, "n_clicks"),
        State(ids.URL, "search"),
        State(ids.DEVICE_BY, "value"),
        State(ids.DEVICE_WHY, "value"),
        State(ids.DEVICE_FROM, "value"),
        prevent_initial_call=True,
    )
    async def say(out, back, search, by, why, from_on):
        if not (out or back) or ctx.triggered_id not in (ids.DEVICE_OUT, ids.DEVICE_BACK):
            return no_update
        is_out = ctx.triggered_id == ids.DEVICE_OUT
        return await off_loop(
            partial(said, reader, search, is_out=is_out, by=by, why=why, from_on=from_on)
        )


def view(reader: Reader, search: str | None) -> tuple[list, list, dict]:
    """What fills the page for the URL's query: who else, all devices, and whether the form is
    seen.
    """
    if reader.is_outside:
        return [html.P(STAFF_ONLY)], [], _HIDDEN
    if not reader.has_landed:
        return [html.P(waiting(reader))], [], _HIDDEN
    every = [_list(reader, search)]
    try:
        answer = _asked(reader, search)
    except FloeError as error:
        return (
            [notice(f"This can't be shown: {error}", title="No such list", color="orange")],
            every,
            _HIDDEN,
        )
    if answer is None:
        return [], every, _HIDDEN
    return [others_on_device(answer)], every, _HIDDEN if answer.device is None else _SHOWN


def _asked(reader: Reader, search: str | None) -> OnDevice | None:
    query = chosen(search)
    alert, device = query.get("alert"), query.get("device")
    if not alert and not device:
        return None
    which = {"alert_id": alert} if alert else {"device_id": device}
    ask = partial(on_device, **which, now=datetime.now(UTC), options=reader.settings.options)
    return reader.inspect(ask, name=f"who else {which}", max_age_s=_MAX_AGE_S)


def _list(reader: Reader, search: str | None):
    ask = partial(devices, options=reader.settings.options)
    rows = reader.inspect(ask, name="devices", max_age_s=_MAX_AGE_S)
    clinic = chosen(search).asked.get("clinic_id")
    here = rows.filter(pl.col("kind") != "wearable")
    here = here if clinic is None else here.filter(pl.col("clinic_id") == clinic)
    if here.is_empty():
        return panel("All devices", table_of(None, caption="", none="No device is on record."))
    today = datetime.now(UTC).date()
    head = html.Thead(html.Tr([html.Th(t, scope="col") for t in _LIST_HEAD]))
    rates = of_devices(reader)
    body = html.Tbody(
        [
            _device(row, today, rates)
            for row in here.sort("clinic_id", "device_id").iter_rows(named=True)
        ]
    )
    table = html.Div(
        html.Table([head, body], className="plain sheet"),
        className="scroller",
        tabIndex="0",
        role="region",
        **{"aria-label": "All devices"},
    )
    return panel("All devices", table, subtitle=_ABOUT_LIST)


def _device(row: dict, today: date, rates: dict[tuple[str, str], dict[str, dict]]) -> html.Tr:
    of_kind = rates.get((row["clinic_id"], row["device_id"]), {})
    cells = (
        dcc.Link(row["device_id"], href=link_to(device_id=row["device_id"])),
        row["clinic_id"] or words.NOTHING,
        words.name_of(row["modality"] or row["kind"]),
        words.day(row["calibrated_on"]),
        words.day(row["calibration_due_on"]),
        state_of(row, day=today),
        *(of_device_in_words(of_kind.get(kind)) for kind in (DEFICIENCY, FAULT)),
    )
    return html.Tr([html.Td(cell) for cell in cells])


def said(
    reader: Reader,
    search: str | None,
    *,
    is_out: bool,
    by: str | None,
    why: str | None,
    from_on: str | None,
) -> str:
    """Publishes a person's word of the device of the URL's query; a sentence on what came of it."""
    if reader.is_outside or not reader.is_there:
        return STAFF_ONLY if reader.is_outside else waiting(reader)
    try:
        now = datetime.now(UTC)
        answer = _asked(reader, search)
        if answer is None:
            return "Choose a device first."
        word = {"by": by or "", "why": why or "", "now": now, "options": reader.settings.options}
        day = _day(from_on) or now.date()
        make = partial(out_of_use, from_on=day) if is_out else back_in_use
        stream.publish(reader.settings, [make(reader.lake(), answer.device_id, **word)])
    except FloeError as error:
        return f"Nothing was sent: {hidden(str(error), reader.settings)}"
    state = f"out of use from {words.day(day)} on" if is_out else "in use again"
    return f"Sent: device {answer.device_id} is {state} once the record has landed, usually within a second."


def _day(text: str | None) -> date | None:
    if not text or not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"found the day {text.strip()[:40]!r}, expected YYYY-MM-DD") from None


DEVICES = Page(path=PATH, name="Devices", layout=layout, register=register)
