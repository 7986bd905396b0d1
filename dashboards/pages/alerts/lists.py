"""Reports that are due, and serious events of the last days, as lists on top of the safety page.

Here: rows -> the lists, each item with who has it in hand. Not here: open alerts (page.py), one of
them opened (opened.py).
"""

from dash import dcc, html

from transforms.plain_text import one_line

from ... import ids, words
from ...components import link, panel
from ...filters import Chosen, kept_search, search_of
from ...reader import Reader
from ..base import waiting, why_unknown
from . import rows as alert_rows
from .rows import Shown, ago


def hand(row: dict | None, shown: Shown) -> html.Div:
    """State, who has it, since when, who is told next."""
    if row is None:
        return html.Div("no alert", className="small")
    parts = [
        html.Span(
            [html.B(words.name_of(row["state"])), f": {alert_rows.in_hand(row, now=shown.now)}"]
        )
    ]
    following = alert_rows.next_step(row, shown.duty, now=shown.now)
    return html.Div([*parts, html.Span(following, className="small") if following else None])


def href(alert_id: str, search: str | None) -> str:
    """The address of an alert, opened; the filters go along."""
    return (
        "/safety"
        + (kept_search(search) + "&" if kept_search(search) else "?")
        + search_of({ids.ALERT: alert_id})[1:]
    )


def reports_due(reader: Reader, shown: Shown, choice: Chosen, search: str | None):
    unknown = why_unknown(reader, "mart.report_deadlines")
    rows = alert_rows.due(reader, choice)
    items = [_report(row, shown, search) for row in rows.iter_rows(named=True)]
    none = unknown or "None as of the last computation."
    caption = "Due or overdue, as of the last computation; all of them, with their sources, are further below."
    return panel(
        "Reports to make",
        html.Ul(items, className="alert-list") if items else html.P(none, className="small"),
        subtitle=caption,
    )


def _report(row: dict, shown: Shown, search: str | None) -> html.Li:
    about = {"kind": row["subject_kind"], "id": row["subject_id"], "clinic_id": row["clinic_id"]}
    alert = alert_rows.alert_of(shown.standing, rule="report_due", cause=row["rule"], **about)
    about = alert_rows.subject(row)
    return html.Li(
        [
            html.Div([html.B(_when_due(row)), html.Span(row["duty"] or "", className="small")]),
            html.Div(f"{alert_rows.clinic(row, shown.clinics)} \N{MIDDLE DOT} {about}"),
            html.Div(f"clinic aware {words.day(row['clock_start'])}"),
            _linked_hand(alert, shown, search),
        ],
        className=f"alert is-{'open' if row['state'] == 'overdue' else 'due'}",
    )


def _when_due(row: dict) -> str:
    if row["due_on"] is None:
        return "Due without delay"
    day, left = words.day(row["due_on"]), row["days_left"]
    if row["state"] == "overdue":
        return f"Overdue since {day}"
    return f"Due {day}" + ("" if left is None else f", {words.plural(left, 'day')} left")


def serious_events(reader: Reader, shown: Shown, choice: Chosen, search: str | None):
    unknown = None if reader.has_landed else waiting(reader)
    rows = alert_rows.serious(reader, choice, now=shown.now)
    of_day = [alert_rows.is_recent(row, now=shown.now) for row in rows.iter_rows(named=True)]
    items = [
        _event(row, shown, search, is_recent=is_recent)
        for row, is_recent in zip(rows.iter_rows(named=True), of_day, strict=True)
    ]
    caption = (
        "Serious, of grade 3 or more, or a cold injury, asphyxia or syncope of any grade; by when they happened (of "
        "unknown onset: when the clinic became aware), as they landed. What is told late is among the alerts."
    )
    count = unknown or alert_rows.counted_serious(rows, now=shown.now)
    return panel(
        "Serious events of the last days",
        html.Div([html.P(count, className="caption"), html.Ul(items, className="alert-list")]),
        subtitle=caption,
    )


def _event(row: dict, shown: Shown, search: str | None, *, is_recent: bool) -> html.Li:
    alert = alert_rows.alert_of(
        shown.standing,
        rule="harm",
        kind="adverse_event",
        id=row["subject_id"],
        clinic_id=row["clinic_id"],
    )
    patient = dcc.Link(
        f"patient {one_line(row['patient_id'])}",
        href=f"/patient{search_of({'patient': row['patient_id']})}",
    )
    return html.Li(
        [
            html.Div(
                [
                    html.B(one_line(row["finding"])),
                    html.Span("in the last 24 hours" if is_recent else "", className="small"),
                ]
            ),
            html.Div(
                [
                    html.Span(
                        f"{alert_rows.clinic(row, shown.clinics)} \N{MIDDLE DOT} {one_line(row['subject_id'])}"
                    ),
                    patient,
                ]
            ),
            html.Div(
                [
                    html.Span(f"happened {ago(row['happened_at'], now=shown.now)}"),
                    html.Span(f"landed {ago(row['landed_at'], now=shown.now)}", className="small"),
                ]
            ),
            _linked_hand(alert, shown, search),
        ],
        className="alert is-recent" if is_recent else "alert",
    )


def _linked_hand(alert: dict | None, shown: Shown, search: str | None) -> html.Div:
    sentence = hand(alert, shown)
    if alert is None:
        return sentence
    return html.Div([*sentence.children, link("open the alert", href(alert["alert_id"], search))])
