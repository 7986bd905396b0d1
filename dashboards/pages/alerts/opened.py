"""One alert, opened: everything that is known of it, and the form by which somebody takes it in
hand.

Here: layout and callbacks. Not here: what is asked (rows.py), what is sent (acts.py).

The facts are filled anew whenever something lands; the form is made once for each alert, so that
what somebody types neither goes away under their hands nor follows them to another alert. While an
act is on its way the page asks every second, paused or not: who has acted sees it land.
"""

from datetime import UTC, datetime

import polars as pl
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from ingest.alerting.standing import Act, revision_of
from ingest.contract import LONGEST_ID
from transforms.alerting.history import revisions
from transforms.alerting.rules import RULES
from transforms.errors import FloeError
from transforms.plain_text import one_line, visible

from ... import ids, words
from ...components import link, notice, panel
from ...filters import chosen, kept_search
from ...reader import Reader
from ...tables import table_of
from ..base import STREAM_INPUTS, clinic_names, off_loop
from . import rows as alert_rows
from .acts import Acts
from .form import BUTTONS, answer_notice, attempt, form, rows_of
from .rows import Shown, ago

_FIELDS = (ids.ALERT_BY, ids.ALERT_FINDING, ids.ALERT_ACTION, ids.ALERT_DUE)
_HIDDEN, _SHOWN = {"display": "none"}, {}
_ASK_AGAIN_MS = 1_000
_HISTORY = ("when (UTC)", "what", "tier", "by", "said", "action", "due")


def layout() -> html.Div:
    return html.Div(
        [
            html.Div(id=ids.ALERT_OPENED),
            html.Div(
                panel(
                    "Take it in hand",
                    html.Div(id=ids.ALERT_FORM),
                ),
                id=ids.ALERT_FORM_FRAME,
                style=_HIDDEN,
            ),
            html.Div(id=ids.ALERT_MORE),
            dcc.Store(id=ids.ALERT_SEEN),
            dcc.Store(id=ids.ALERT_SENT),
            dcc.Interval(id=ids.ALERT_LANDING, interval=_ASK_AGAIN_MS, disabled=True),
        ],
        className="stack opened",
    )


def register(app: Dash, reader: Reader, acts: Acts) -> None:
    @app.callback(
        Output(ids.ALERT_OPENED, "children"),
        Output(ids.ALERT_MORE, "children"),
        Output(ids.ALERT_FORM_FRAME, "style"),
        Output(ids.ALERT_SEEN, "data"),
        Output(ids.ALERT_LANDING, "disabled"),
        *STREAM_INPUTS[:2],
        Input(ids.ALERT_SENT, "data"),
        Input(ids.ALERT_LANDING, "n_intervals"),
    )
    async def show(search, _version, _sent, _asked_again):
        return await off_loop(view, reader, search, acts)

    @app.callback(
        Output(ids.ALERT_FORM, "children"), Input(ids.URL, "search"), State(ids.ALERT_SEEN, "data")
    )
    def show_form(search, seen):
        return form(asked(search), seen)

    @app.callback(
        Output(ids.ALERT_SAID, "children"),
        Output(ids.ALERT_SENT, "data"),
        *[Output(id, "value") for id in _FIELDS[1:]],
        *[Input(id, "n_clicks") for id in BUTTONS],
        *[State(id, "value") for id in _FIELDS],
        State(ids.ALERT_SEEN, "data"),
        running=[(Output(id, "disabled"), True, False) for id in BUTTONS],
        prevent_initial_call=True,
    )
    async def send(*values):
        clicks, (by, finding, action, due, seen) = values[:3], values[3:]
        pressed = ctx.triggered_id
        if pressed not in BUTTONS or not any(clicks) or not seen:
            raise PreventUpdate
        given = Act(
            state=BUTTONS[pressed][0], by=by, finding=finding, action=action, action_due_on=due
        )
        answer = await off_loop(attempt, reader, acts, seen, given)
        # Sent or not, the alert is shown anew: who is told that it has changed sees what it has
        # become.
        return [
            answer_notice(answer),
            datetime.now(UTC).isoformat(),
            *([""] * 3 if answer.is_sent else [no_update] * 3),
        ]


def asked(search: str | None) -> str | None:
    """The alert that the URL opens."""
    return chosen(search).get(ids.ALERT)


def view(reader: Reader, search: str | None, acts: Acts, *, now: datetime | None = None) -> tuple:
    """What matters of it, the rest of it, the form's style, the alert and revision shown, whether
    no act is on the way.
    """
    now, alert_id = now or datetime.now(UTC), asked(search)
    if alert_id is None or reader.is_outside:
        return None, None, _HIDDEN, None, True
    try:
        shown = alert_rows.shown(reader, chosen(search), clinic_names(reader), now=now)
        raw = reader.landed("alerts", rows_of)
    except FloeError as error:
        return (
            notice(f"The alert can't be read: {error}", title="Not known", color="red"),
            None,
            _HIDDEN,
            None,
            True,
        )
    row = alert_rows.named(shown, reader.settings, alert_id)
    if row is None:
        return _unknown(alert_id, search), None, _HIDDEN, None, True
    sent = acts.on_the_way(raw).get(row["alert_id"])
    title = f"{alert_rows.title(row)}: {words.name_of(row['state']).lower()}"
    first = [_on_the_way(sent.in_words(now=now)) if sent else None, _facts(_first(row, shown))]
    rest = [_facts(_rest(row, shown)), _history(raw, row["alert_id"])]
    seen = {"alert_id": row["alert_id"], "revision": revision_of(row)}
    style = _HIDDEN if row["state"] == "closed" else _SHOWN
    return (
        panel(title, html.Div(first), subtitle=_back(search)),
        panel("All that is known of it", html.Div(rest)),
        style,
        seen,
        sent is None,
    )


def _unknown(alert_id: str, search: str | None):
    text = f"No alert of the id {one_line(alert_id)[:LONGEST_ID]} has landed here. A moment after it was told it may still be on its way."
    return panel("There is no such alert", html.P(text), subtitle=_back(search))


def _back(search: str | None):
    return link("Back to all alerts", f"/safety{kept_search(search)}")


def _on_the_way(sentence: str):
    return notice(one_line(sentence), title="Sent", color="blue")


def _facts(facts: list[tuple[str, str]]) -> html.Dl:
    return html.Dl(
        [html.Div([html.Dt(name), html.Dd(text)]) for name, text in facts if text],
        className="facts",
    )


def _first(row: dict, shown: Shown) -> list[tuple[str, str]]:
    """What somebody needs who is to act."""
    now = shown.now
    return [
        ("Who has it", alert_rows.in_hand(row, now=now)),
        ("Told", alert_rows.next_step(row, shown.duty, now=now)),
        ("Clinic", alert_rows.clinic(row, shown.clinics)),
        ("About", alert_rows.subject(row) or words.NOTHING),
        ("What Floe found", visible(row["cause_found"] or words.NOTHING)),
        ("Happened", _moment(alert_rows.happened_at(row), now=now)),
        ("What people found", visible(row["conclusion"] or "nothing said yet")),
        ("What is done", _action(row)),
    ]


def _rest(row: dict, shown: Shown) -> list[tuple[str, str]]:
    rule, now = RULES.get(row["rule"]), shown.now
    return [
        ("The rule", rule.when if rule else "not one of Floe's"),
        ("What clears it", rule.clears if rule else words.NOTHING),
        ("Tier", row["tier"]),
        ("Device", one_line(row["device_id"] or words.NOTHING)),
        ("Occurred, as sent", _moment(row["occurred_at"], now=now)),
        ("Landed", _moment(row["landed_at"], now=now)),
        ("Told last", _moment(row["told_at"], now=now)),
        ("Acknowledged", _acknowledged(row)),
        ("Evidence", ", ".join(map(one_line, row["evidence"] or ())) or words.NOTHING),
        ("Alert", one_line(row["alert_id"])),
    ]


def _moment(at: datetime | None, *, now: datetime) -> str:
    if at is None:
        return "not known"
    return f"{words.second(at)}, {ago(at, now=now)}"


def _action(row: dict) -> str:
    due = f", by {words.day(row['action_due_on'])}" if row["action_due_on"] else ""
    return visible(row["action"] or "nothing said yet") + due


def _acknowledged(row: dict) -> str:
    if row["acknowledged_at"] is None:
        return "not yet"
    who = one_line(row["acknowledged_by"] or "somebody who gave no name")
    told_at = alert_rows.told_at(row)
    took = (
        ""
        if told_at is None or row["acknowledged_at"] < told_at
        else f", {words.duration((row['acknowledged_at'] - told_at).total_seconds())} after it was told"
    )
    return f"by {who}, {words.second(row['acknowledged_at'])}{took}"


def _history(raw: pl.DataFrame, alert_id: str):
    rows = revisions(raw.filter(pl.col("alert_id") == alert_id))
    changes = [
        _revision(row, before)
        for before, row in zip(
            [None, *rows.iter_rows(named=True)], rows.iter_rows(named=True), strict=False
        )
    ]
    frame = pl.DataFrame(changes, schema=dict.fromkeys(_HISTORY, pl.String), orient="row")
    return table_of(frame, caption="Everything that was written of it, the oldest first")


def _revision(row: dict, before: dict | None) -> tuple:
    """When, what changed, by whom, what was said; acts of two who did not see each other's are
    named as such.
    """
    is_blind = (
        before is not None
        and not row["is_by_floe"]
        and not before["is_by_floe"]
        and row["revision"] == before["revision"]
    )
    what = words.name_of(row["news"] or row["state"]) + (
        ", without having seen the act before" if is_blind else ""
    )
    by = "Floe" if row["is_by_floe"] else one_line(row["by"] or "no name given")
    return (
        words.second(row["at"], has_zone=False),
        what,
        row["tier"],
        by,
        one_line(row["found"] or ""),
        one_line(row["action"] or ""),
        words.day(row["action_due_on"]) if row["action_due_on"] else "",
    )
