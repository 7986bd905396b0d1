"""What a delivery says: a line that people read, and the bodies that a pager and a chat understand.

Here: payload (telling.py) -> text or JSON. Not here: sending (webhook.py, mail.py). Nothing is added to what the payload
holds: what the sink may not have is not in it.
"""

from collections.abc import Callable

from .duty import Webhook
from .undelivered import secret

# What a payload holds beyond `least`, in the order in which people read it.
DETAILS = ("finding", "occurred_at", "subject_kind", "subject_id", "device_id", "evidence")
_MOST_SUMMARY, _MOST_KEY, _MOST_SOURCE = 1024, 255, 255  # characters, of PagerDuty's Events API v2
_MOST_CHAT = 3000  # characters, of a text in Slack

Body = dict


def subject(payload: dict) -> str:
    """One line; no line break and no control character, whatever the clinic is called."""
    clinic = payload.get("clinic_id")
    return one_line(f"Floe: {payload['title']}{f', clinic {clinic}' if clinic else ''} ({payload['news']})")


def one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def text(payload: dict) -> str:
    """The payload as lines that a person reads."""
    shown = {name: value for name, value in payload.items() if value not in (None, "", [])}
    return "\n".join(f"{name.replace('_', ' ')}: {one_line(str(value))}" for name, value in shown.items()) + "\n"


def as_it_is(sink: Webhook, payload: dict) -> list[Body]:
    """Floe's own: the payload."""
    return [payload]


def for_pagerduty(sink: Webhook, payload: dict) -> list[Body]:
    """Events of PagerDuty's Events API v2: one incident an alert, acknowledged and resolved with it.

    A trigger for an incident that somebody acknowledged wakes nobody: an alert that is told again therefore resolves the
    incident first, and the trigger begins a new one.
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
    is_again = action == "trigger" and payload["news"] not in ("opened", "digest", "test")
    return [event | {"event_action": "resolve"}, event] if is_again else [event]


def for_slack(sink: Webhook, payload: dict) -> list[Body]:
    """A message of an incoming webhook of Slack (Mattermost and Rocket.Chat take the same)."""
    lines = [subject(payload), *(f"{name.replace('_', ' ')}: {value}" for name, value in _details(payload).items())]
    said = "\n".join(_escaped(one_line(line)) for line in lines)[:_MOST_CHAT]
    return [{"text": f"{said} <{payload['link']}|open>" if payload.get("link") else said}]


def _details(payload: dict) -> dict:
    return {name: payload[name] for name in DETAILS if payload.get(name) not in (None, "", [])}


def _escaped(line: str) -> str:
    """Without markup: no link, and no mention that would call a whole channel."""
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return line.replace("@", "@\u200b")


FORMATS: dict[str, Callable[[Webhook, dict], list[Body]]] = {
    "floe": as_it_is,
    "pagerduty": for_pagerduty,
    "slack": for_slack,
}
