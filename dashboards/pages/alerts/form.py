"""The form by which somebody takes an opened alert in hand.

Here: its fields and buttons, and what became of the attempt. Not here: what is known of the alert
(opened.py), what is sent (acts.py).
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import dash_mantine_components as dmc
import polars as pl
from dash import html, no_update

from ingest.alerting.standing import Act
from ingest.contract import LONGEST_ID, LONGEST_TEXT
from transforms.errors import FloeError
from transforms.plain_text import visible

from ... import ids, theme, words
from ...components import notice
from ...reader import Reader
from .acts import Acts

BUTTONS = {
    ids.ALERT_ACKNOWLEDGE: ("acknowledged", "Acknowledge"),
    ids.ALERT_INVESTIGATE: ("investigating", "Look into it"),
    ids.ALERT_CLOSE: ("closed", "Close"),
}
_BLUE = theme.LIGHT.series[0]  # dark enough for white letters, in both schemes


@dataclass(frozen=True)
class Answer:
    """What an attempt to act came to."""

    sentence: str
    is_sent: bool


def rows_of(raw: pl.DataFrame) -> pl.DataFrame:
    return raw


def form(alert_id: str | None, seen: dict | None):
    """The form of an alert, empty but for the name; the same alert's form stays as it is."""
    if alert_id is None:
        return None
    if seen is not None and seen.get("alert_id") == alert_id:
        return no_update
    return _form()


def _form() -> list:
    return [
        dmc.TextInput(
            id=ids.ALERT_BY,
            label="Your name or role",
            description="It stands in the record. There is no sign-in yet.",
            inputProps={"maxLength": LONGEST_ID},
            maw=420,
            persistence=True,
            persistence_type="session",
        ),
        dmc.Textarea(
            id=ids.ALERT_FINDING,
            label="What was found, or is thought to be the cause",
            autosize=True,
            minRows=2,
            inputProps={"maxLength": LONGEST_TEXT},
        ),
        html.Div(
            [
                dmc.TextInput(
                    id=ids.ALERT_ACTION,
                    label="What is done about it",
                    inputProps={"maxLength": LONGEST_TEXT},
                ),
                dmc.TextInput(
                    id=ids.ALERT_DUE,
                    label="By which day",
                    placeholder="YYYY-MM-DD",
                    inputProps={"maxLength": 10},
                ),
            ],
            className="action",
        ),
        html.Div(
            [
                dmc.Button(name, id=id, color=_BLUE, variant="filled" if k == 0 else "default")
                for k, (id, (_, name)) in enumerate(BUTTONS.items())
            ],
            className="buttons",
        ),
        html.Div(id=ids.ALERT_SAID, role="status"),
    ]


def attempt(
    reader: Reader, acts: Acts, seen: dict, given: Act, *, now: datetime | None = None
) -> Answer:
    """Sends the act on what the page shows; what goes wrong is a sentence, and what was typed
    stays.
    """
    alert_id, revision = seen.get("alert_id"), seen.get("revision")
    if not isinstance(alert_id, str) or not isinstance(revision, int):
        return Answer("Nothing was sent: the page shows no alert.", is_sent=False)
    now = now or datetime.now(UTC)
    try:
        acts.send(
            reader.landed("alerts", rows_of), alert_id, given, seen_revision=revision, now=now
        )
    except FloeError as error:
        return Answer(_sentence(str(error)), is_sent=False)
    return Answer(f"Sent at {words.second(now)}: lands in a moment.", is_sent=True)


def _sentence(text: str) -> str:
    text = visible(text)
    return f"{text[:1].upper()}{text[1:]}."


def answer_notice(answer: Answer):
    title = "Sent" if answer.is_sent else "Not sent"
    return notice(answer.sentence, title=title, color="blue" if answer.is_sent else "red")
