"""The ways out: a webhook, an e-mail, a file; each takes one delivery and says by returning that it has it.

Here: what goes over the wire. Not here: what is to be delivered, in which order and how often (book.py, sender.py).

A webhook's request has the headers `Floe-Delivery` (the delivery's id: the same when it is sent again, so that a
receiver can tell) and, with a secret, `Floe-Signature: t=UNIX,v1=HEX`: HMAC-SHA-256 of `t + "." + body`.
"""

import hashlib
import hmac
import json
import os
import smtplib
import ssl
import time
import urllib.error
import urllib.request
from email.message import EmailMessage

from transforms.errors import FloeError

from .duty import Email, File, Sink, Webhook

_TIMEOUT_S = 10.0
_MOST_ERROR = 200  # characters of what a receiver answers


class Undelivered(FloeError):
    """One sentence: what the receiver said, or that there was none.

    `is_refused`: it answered and did not take this one, so that others may still be tried.
    """

    def __init__(self, sentence: str, *, is_refused: bool = False) -> None:
        super().__init__(sentence)
        self.is_refused = is_refused


def deliver(sink: Sink, delivery_id: str, payload: dict) -> None:
    """Raises Undelivered; a file's is on the disk when it returns."""
    _BY_KIND[sink.kind](sink, delivery_id, payload)


def _as_it_is(sink: Webhook, payload: dict) -> dict:
    return payload


def _for_pagerduty(sink: Webhook, payload: dict) -> dict:
    """An event of PagerDuty's Events API v2: one incident an alert, acknowledged and resolved with it."""
    actions = {"acknowledged": "acknowledge", "investigating": "acknowledge", "closed": "resolve"}
    event = {
        "routing_key": _secret(sink.routing_key_env),
        "event_action": actions.get(payload["news"], "trigger"),
        "dedup_key": payload["alert_id"],
        "payload": {
            "summary": subject(payload),
            "source": payload.get("clinic_id") or "floe",
            "severity": "critical" if payload["tier"] == "now" else "warning",
            "class": payload["rule"],
        },
    }
    return event | ({"links": [{"href": payload["link"], "text": "the alert in Floe"}]} if payload["link"] else {})


def _for_slack(sink: Webhook, payload: dict) -> dict:
    """A message of an incoming webhook of Slack (Mattermost and Rocket.Chat take the same)."""
    escaped = subject(payload).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": f"{escaped} <{payload['link']}|open>" if payload["link"] else escaped}


_FORMATS = {"floe": _as_it_is, "pagerduty": _for_pagerduty, "slack": _for_slack}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A receiver that sends elsewhere would be told at an address that nobody set."""

    def redirect_request(self, *_):
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _to_webhook(sink: Webhook, delivery_id: str, payload: dict) -> None:
    body = json.dumps(_FORMATS[sink.format](sink, payload), sort_keys=True).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "floe", "Floe-Delivery": delivery_id}
    if sink.secret_env:
        headers["Floe-Signature"] = signature(_secret(sink.secret_env), body, at=int(time.time()))
    request = urllib.request.Request(sink.url, data=body, headers=headers, method="POST")
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_S):
            return
    except urllib.error.HTTPError as error:
        said = error.read(_MOST_ERROR).decode(errors="replace")
        raise Undelivered(f"{sink.name} answered {error.code} {said!r}", is_refused=True) from None
    except (OSError, ValueError) as error:
        raise Undelivered(f"{sink.name} does not answer ({error})") from None


def signature(secret: str, body: bytes, *, at: int) -> str:
    """`t=UNIX,v1=HEX` of a body, as a receiver computes it to compare."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _secret(variable: str) -> str:
    secret = os.environ.get(variable, "")
    if not secret:
        raise Undelivered(f"the variable {variable}, which holds the secret of a sink, is not set")
    return secret


def _to_email(sink: Email, delivery_id: str, payload: dict) -> None:
    message = EmailMessage()
    message["Subject"] = subject(payload)
    message["From"], message["To"] = sink.sender, ", ".join(sink.to)
    message["Message-ID"] = f"<{hashlib.sha256(delivery_id.encode()).hexdigest()[:32]}@floe>"
    message.set_content(text(payload))
    try:
        with _connected(sink) as server:
            if sink.username:
                server.login(sink.username, _secret(sink.password_env))
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise Undelivered(f"{sink.name} at {sink.host}:{sink.port} does not take mail ({error})") from None


def _connected(sink: Email) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if sink.is_tls == "tls":
        return smtplib.SMTP_SSL(sink.host, sink.port, timeout=_TIMEOUT_S, context=context)
    server = smtplib.SMTP(sink.host, sink.port, timeout=_TIMEOUT_S)
    if sink.is_tls == "starttls":
        server.starttls(context=context)
    return server


def subject(payload: dict) -> str:
    """One line; no line breaks, whatever the clinic is called."""
    clinic = payload.get("clinic_id")
    return " ".join(f"Floe: {payload['title']}{f', clinic {clinic}' if clinic else ''} ({payload['news']})".split())


def text(payload: dict) -> str:
    """The payload as lines that a person reads."""
    shown = {name: value for name, value in payload.items() if value not in (None, "", [])}
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in shown.items()) + "\n"


def _to_file(sink: File, delivery_id: str, payload: dict) -> None:
    line = json.dumps({"delivery_id": delivery_id, **payload}, sort_keys=True) + "\n"
    try:
        with sink.path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Undelivered(f"{sink.name}: {sink.path} can't be written ({error.strerror})") from None


_BY_KIND = {"webhook": _to_webhook, "email": _to_email, "file": _to_file}
