"""What a delivery says: a line that people read, and the bodies that a pager and a chat understand.

Here: payload (telling.py) -> text or JSON. Not here: sending (webhook.py, mail.py). Nothing is
added to what the payload holds: what the sink may not have is not in it.
"""

import re
from collections.abc import Callable

from .duty import Webhook
from .undelivered import secret

# What a payload holds beyond `least`, in the order in which people read it.
DETAILS = ("finding", "occurred_at", "subject_kind", "subject_id", "device_id", "evidence")
_MOST_SUMMARY, _MOST_KEY, _MOST_SOURCE = 1024, 255, 255  # characters, of PagerDuty's Events API v2
_MOST_CHAT = 3000  # characters, of a text in Slack
_MOST_OF_ONE = 400  # of one value in it
# Words, numbers and their punctuation: no mark of either chat, and no dot within a word, which may
# be a host.
_PLAIN = re.compile(r"(?:\w(?<!_)|[ ,;%°+/'-]|(?<=\d)[.:](?=\d)|[.:](?= |$))*")
_BREAKABLE = re.compile(r"(?<=[@#:~!\]])(?=\S)|(?<=www\.)|(?<=\w\.)(?=[^\W\d])")

Body = dict


def subject(payload: dict) -> str:
    """One line; no line break and no control character, whatever the clinic is called."""
    title, clinic = payload["title"], payload.get("clinic_id")
    headline = _headline(title, clinic, payload["news"])
    return one_line(headline)


def _headline(title: str, clinic: str | None, news: str) -> str:
    where = f", clinic {clinic}" if clinic else ""
    return f"Floe: {title}{where} ({news})"


def one_line(text: str) -> str:
    printable = (c if c.isprintable() else " " for c in text)
    words = "".join(printable).split()
    return " ".join(words)


def text(payload: dict) -> str:
    """The payload as lines that a person reads."""
    shown = {name: value for name, value in payload.items() if value not in (None, "", [])}
    return (
        "\n".join(
            f"{name.replace('_', ' ')}: {one_line(str(value))}" for name, value in shown.items()
        )
        + "\n"
    )


def as_it_is(sink: Webhook, payload: dict) -> list[Body]:
    """Floe's own: the payload."""
    return [payload]


def for_pagerduty(sink: Webhook, payload: dict) -> list[Body]:
    """Events of PagerDuty's Events API v2: one incident an alert, acknowledged and resolved with
    it.

    A trigger for an incident that somebody acknowledged wakes nobody: an alert that is told again
    therefore resolves the incident first, and the trigger begins a new one. What no alert closes (a
    test, a digest) is resolved at once.
    """
    actions = {"acknowledged": "acknowledge", "investigating": "acknowledge", "closed": "resolve"}
    action = actions.get(payload["news"], "trigger")
    event = {
        "routing_key": secret(sink.routing_key_env),
        "event_action": action,
        "dedup_key": payload["alert_id"][:_MOST_KEY],
        "payload": {
            "summary": subject(payload)[:_MOST_SUMMARY],
            "source": (payload.get("clinic_id") or "floe")[:_MOST_SOURCE],
            "severity": "critical" if payload["tier"] == "now" else "warning",
            "class": payload["rule"],
            "custom_details": _details(payload),
        },
    }
    if payload.get("link"):
        event["links"] = [{"href": payload["link"], "text": "the alert in Floe"}]
    resolved = event | {"event_action": "resolve"}
    if payload["news"] in ("digest", "test"):
        return [event, resolved]
    is_again = action == "trigger" and payload["news"] != "opened"
    return [resolved, event] if is_again else [event]


def for_slack(sink: Webhook, payload: dict) -> list[Body]:
    """A message of an incoming webhook of Slack (Mattermost and Rocket.Chat take the same)."""
    lines = [
        f"{name.replace('_', ' ')}: {_as_text(value)}" for name, value in _details(payload).items()
    ]
    headline = _headline(
        _as_text(payload["title"]), _as_text(payload.get("clinic_id") or ""), payload["news"]
    )
    for line in lines:  # whole lines: half of one is no code any more
        if len(headline) + len(line) < _MOST_CHAT:
            headline += f"\n{line}"
    return [{"text": f"{headline} <{payload['link']}|open>" if payload.get("link") else headline}]


def _details(payload: dict) -> dict:
    return {name: payload[name] for name in DETAILS if payload.get(name) not in (None, "", [])}


def _as_text(value: object) -> str:
    """What a record says, as it is where nothing of it can be markup; else as code, in which Slack
    and Mattermost see none.

    The two share no escape: a backslash stands in Slack, and an entity other than of & < > too. For
    a reader that finds links and mentions in code, these are broken by a blank of no width.
    """
    text = one_line(str(value))
    text = f"{text[:_MOST_OF_ONE]}…" if len(text) > _MOST_OF_ONE else text
    if _PLAIN.fullmatch(text):
        return text
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")
    return f"`{_BREAKABLE.sub(chr(0x200B), text)}`"


FORMATS: dict[str, Callable[[Webhook, dict], list[Body]]] = {
    "floe": as_it_is,
    "pagerduty": for_pagerduty,
    "slack": for_slack,
}
