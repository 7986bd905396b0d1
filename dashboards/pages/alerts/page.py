"""The top of the safety page: who has what in hand, reports that are due, serious events of the
last days.

Here: layout and callbacks of it. Not here: what is asked (rows.py), one alert (opened.py), acting
on it (acts.py). A reader from outside has none of it: neither the parts nor the callbacks that fill
them are there.
"""

from datetime import UTC, datetime

import polars as pl
from dash import Dash, Input, Output, html

from transforms.errors import FloeError
from transforms.plain_text import one_line

from ... import ids, words
from ...components import link, notice, panel
from ...filters import Chosen, chosen
from ...reader import Reader
from ...tables import table_of
from ..base import STREAM_INPUTS, clinic_names, off_loop, waiting
from . import opened as alert_opened
from . import rows as alert_rows
from .acts import Acts
from .lists import hand, href, reports_due, serious_events
from .rows import Shown, ago

_MOST = {"now": 200, "today": 50, "noted": 50}
_TIERS = {
    "now": ("Now", "Harm, or a limit whose breach may harm: told at once, whatever the hour."),
    "today": ("Today", "To look at today: told in the clinic's morning."),
    "noted": ("Noted", "In this list only."),
}
WHAT_IT_IS_NOT = (
    "What this is not: Floe is no medical device. It is no alarm for oxygen or temperature in a room, for it knows only "
    "what was sent to it, and only once that has arrived: rooms need detectors of their own that sound there. It is no "
    "substitute for watching the patient during a session and after it. That nothing is listed does not mean that "
    "nothing happened."
)


def above(reader: Reader) -> html.Div:
    """What stands above the page's filters."""
    unread = html.Div(id=ids.UNREAD)
    if reader.is_outside:
        return html.Div([unread])
    return html.Div(
        [alert_opened.layout(), html.Div(id=ids.ALERTS, className="stack alerts"), unread],
        className="stack top-of-page",
    )


def register(app: Dash, reader: Reader) -> None:
    if reader.is_outside:
        return
    acts = Acts(reader.settings)

    @app.callback(
        Output(ids.ALERTS, "children"),
        *STREAM_INPUTS[:2],
        Input(ids.ALERT_SEEN, "data"),  # never older than the alert that is opened above it
    )
    async def show(search, _version, _seen):
        return await off_loop(view, reader, search, acts)

    alert_opened.register(app, reader, acts)


def view(reader: Reader, search: str | None, acts: Acts, *, now: datetime | None = None) -> list:
    """The panels, as of `now`."""
    now = now or datetime.now(UTC)
    if reader.is_outside:
        return []
    choice = chosen(search)
    try:
        clinics = clinic_names(reader)
        shown = alert_rows.shown(reader, choice, clinics, now=now)
        parts = [
            _open(reader, shown, choice, search),
            reports_due(reader, shown, choice, search),
            serious_events(reader, shown, choice, search),
        ]
    except FloeError as error:
        return [
            notice(
                f"The alerts can't be read: {error}", title="Nobody knows what is open", color="red"
            )
        ]
    return [*_warnings(shown.warnings), *parts]


def _warnings(sentences: list[str]) -> list:
    if not sentences:
        return []
    return [
        notice(
            [html.P(s, className="said") for s in sentences],
            title="Alerts may be missing here",
            color="red",
        )
    ]


def _open(reader: Reader, shown: Shown, choice: Chosen, search: str | None):
    unknown = None if reader.has_landed else waiting(reader)
    children = [
        html.P(unknown, className="caption") if unknown else None,
        *[_tier(tier, shown, search, is_known=unknown is None) for tier in _TIERS],
        _times(shown),
        html.P(WHAT_IT_IS_NOT, className="small"),
    ]
    return panel(
        "Open alerts",
        html.Div(children),
        subtitle=f"Of {_of_whom(shown, choice)}, by what has landed.",
    )


def _of_whom(shown: Shown, choice: Chosen) -> str:
    clinic = choice.dimensions.get("clinic_id")
    if not clinic:
        return "all clinics"
    more = [f"{words.count(n)} of {tier}" for tier in _TIERS if (n := shown.elsewhere.get(tier))]
    others = (
        f"; other clinics have more: {', '.join(more)}" if more else "; other clinics have none"
    )
    return f"{shown.clinics.get(clinic, clinic)} and of no clinic{others}"


def _tier(tier: str, shown: Shown, search: str | None, *, is_known: bool):
    rows = shown.open.filter(pl.col("tier") == tier)
    name, meaning = _TIERS[tier]
    free = rows.filter(pl.col("state") == "open").height
    count = (
        f"{words.plural(rows.height, 'alert')}, {words.count(free)} in nobody's hands"
        if rows.height
        else "none open"
    )
    head = [
        html.Span(name, className="tier-name"),
        html.Span(f" {count if is_known else 'not known'}. {meaning}"),
    ]
    items = html.Ul(
        [_item(row, shown, search) for row in rows.head(_MOST[tier]).iter_rows(named=True)],
        className="alert-list",
    )
    left = rows.height - _MOST[tier]
    more = (
        html.P(f"{words.count(left)} more: floe alerts lists them all.", className="small")
        if left > 0
        else None
    )
    if tier == "noted":
        return html.Details([html.Summary(head), items, more], className=f"tier tier-{tier}")
    return html.Section(
        [html.H3(head, className="tier-head"), items, more], className=f"tier tier-{tier}"
    )


def _item(row: dict, shown: Shown, search: str | None) -> html.Li:
    now = shown.now
    about = f"{alert_rows.clinic(row, shown.clinics)} \N{MIDDLE DOT} {alert_rows.subject(row) or 'of no single thing'}"
    finding = one_line(row["cause_found"] or "")
    happened, told_at = alert_rows.happened_at(row), alert_rows.told_at(row)
    return html.Li(
        [
            html.Div(
                [
                    link(alert_rows.title(row), href(row["alert_id"], search)),
                    html.Span(finding, className="small"),
                ]
            ),
            html.Div(about),
            html.Div(
                [
                    html.Span(f"happened {ago(happened, now=now)}"),
                    html.Span(f"told {ago(told_at, now=now)}", className="small"),
                ]
            ),
            hand(row, shown),
        ],
        className=f"alert is-{row['state']}",
    )


def _times(shown: Shown):
    return table_of(
        pl.DataFrame([_time(row) for row in shown.times.iter_rows(named=True)]),
        caption="Time to acknowledge: from when an alert was told to when somebody took it in hand; alerts of all "
        "clinics that were told in the last 90 days. Half and nine tenths by nearest rank.",
    )


def _time(row: dict) -> dict:
    none = row["reason"] or words.NOTHING
    return {
        "tier": row["tier"],
        "acknowledged": row["n"],
        "half within": words.duration(row["median_s"]) or none,
        "nine tenths within": words.duration(row["p90_s"]) or none,
        "wait now": row["n_waiting"],
        "cause went first": row["n_gone"],
    }
