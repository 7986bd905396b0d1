"""Who else was on a device since its last good check, as a table.

Here: rows -> the table and its heading. Not here: the list itself (ingest/alerting/lists.py), the
page (page.py).
"""

import polars as pl
from dash import dcc, html

from ingest.alerting.lists import OnDevice
from transforms.rules.local_time import with_local_text

from ... import words
from ...components import panel
from ...filters import search_of
from ..before.page import state_of

_MOST_SESSIONS = 500
_HEAD = ("Session", "Patient", "Clinic", "Began", "Exposure", "Adverse events since")


def others_on_device(on_device: OnDevice):
    rows = on_device.sessions.head(_MOST_SESSIONS)
    rows = with_local_text(rows, at="started_at", into="began", form="%-d %b %Y, %H:%M")
    head = html.Thead(html.Tr([html.Th(text, scope="col") for text in _HEAD]))
    body = html.Tbody([_row(row) for row in rows.iter_rows(named=True)])
    table = html.Div(
        html.Table([head, body], className="plain sheet"),
        className="scroller",
        tabIndex="0",
        role="region",
        **{"aria-label": f"Sessions on device {on_device.device_id}"},
    )
    harmed = on_device.sessions.filter(pl.col("adverse_events").list.len() > 0)
    tail = on_device.sessions.height - rows.height
    more = [
        html.P(
            [
                "The newest of them; all: ",
                html.Code(f"floe alerts who-else --device {on_device.device_id} --format csv"),
            ]
        )
    ]
    return panel(
        f"Who else was on {on_device.device_id}?",
        html.Div(
            [
                html.P(f"Device {on_device.device_id}: {_state(on_device)}."),
                html.P(
                    f"After {words.plural(harmed.height, 'session')} of them an adverse event is on record."
                )
                if harmed.height
                else html.P("No adverse event is on record after any of them."),
                table if rows.height else html.P("No session on it is on record."),
                *(more if tail > 0 else []),
            ]
        ),
        subtitle=f"{on_device.in_words()} As of {words.moment(on_device.at)}.",
    )


def _state(on_device: OnDevice) -> str:
    return (
        "no record describes it"
        if on_device.device is None
        else state_of(on_device.device, day=on_device.at.date())
    )


def _row(row: dict) -> html.Tr:
    measured = (
        ("{:.0f} s", row["duration_s"]),
        ("cabin {:.1f} \N{DEGREE SIGN}C", row["cabin_min_temp_c"]),
        ("skin {:.1f} \N{DEGREE SIGN}C", row["skin_min_temp_c"]),
        ("oxygen {:.1f} %", row["room_min_oxygen_pct"]),
    )
    exposure = ", ".join(
        form.format(value).replace("-", "\N{MINUS SIGN}")
        for form, value in measured
        if value is not None
    )
    patient = dcc.Link(
        row["patient_id"], href="/patient" + search_of({"patient": row["patient_id"]})
    )
    events = (
        html.Ul([html.Li(text) for text in row["adverse_events"]])
        if row["adverse_events"]
        else "none on record"
    )
    cells = (
        row["session_id"] or "no session on record",
        patient,
        row["clinic_id"] or words.NOTHING,
        row["began"] or "not known",
        exposure or "not measured",
        events,
    )
    return html.Tr([html.Td(cell) for cell in cells])
