"""Trying what a site set: what of its file of duties would leave somebody untold, and one test
delivery to each sink.

Here: sentences and deliveries for `floe alerts check` and `floe doctor`. Not here: the file's shape
(duty.py), printing.
"""

import os
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from transforms.alerting.rules import RULES

from .duty import Duty, Email, File, Sink
from .mail import on_any_server
from .sinks import deliver
from .undelivered import Undelivered

_HERE = ("localhost", "127.0.0.1", "::1")
NOBODY = (
    "FLOE_ALERTS names no file: alerts stand on the safety page, in floe alerts and on the topic floe.alerts.v1, and "
    "nobody is told"
)


def faults(duty: Duty) -> list[str]:
    """What the file says that can't be meant, or can't work now: a sentence each, with what to
    do.
    """
    of_sinks = (fault for sink in duty.sinks for fault in _of_sink(sink))
    return [*_of_roles(duty), *of_sinks]


def _of_roles(duty: Duty) -> Iterator[str]:
    for tier, when in (("now", "at once"), ("today", "in the morning")):
        untold = duty.untold(tier)
        for role in sorted({duty.rule(name).told for name in untold}):
            rules = ", ".join(name for name in untold if duty.rule(name).told == role)
            yield f"nobody is told {when} of {rules}: give rota.{role} a sink whose tiers hold {tier}"
    for role, names in duty.rota.items():
        roles = {
            sink.name
            for name in RULES
            if duty.rule(name).told == role
            for sink in _ever_told(duty, name)
        }
        for name in names:
            if name not in roles:
                yield f"rota.{role} names {name}, which hears of nothing at once: its tiers lack now"


def _ever_told(duty: Duty, rule: str) -> Iterator[Sink]:
    for step in range(duty.steps(rule)):
        yield from duty.told(rule, "now", step=step)


def _of_sink(sink: Sink) -> Iterator[str]:
    given = sink.model_dump()
    for name, variable in given.items():
        if name.endswith("_env") and variable and not os.environ.get(variable, "").strip():
            yield f"{sink.name}: the variable {variable} ({name}) is not set where this runs"
    url = urlsplit(given.get("url") or "")
    if url.scheme == "http" and url.hostname not in _HERE:
        yield f"{sink.name}: http is read by whoever is between; take https"
    if given.get("is_tls") == "none" and given["host"] not in _HERE:
        yield f"{sink.name}: mail without TLS is read by whoever is between; set is_tls to starttls or tls"
    if given.get("ca_file") and not sink.ca_file.is_file():
        yield f"{sink.name}: there is no file {sink.ca_file} (ca_file)"
    if given.get("format") == "pagerduty" and "today" in sink.tiers:
        yield f'{sink.name}: a digest is no incident, so that a pager ends it at once: set tiers to ["now"]'
    if isinstance(sink, File):
        yield from _of_file(sink)
    if isinstance(sink, Email) and (
        strange := [address for address in (sink.sender, *sink.to) if not on_any_server(address)]
    ):
        yield (
            f"{sink.name}: a mail server without SMTPUTF8 takes no {', '.join(strange)}: give addresses whose name before the "
            "@ is ASCII (a domain need not be)"
        )


def _of_file(sink: File) -> Iterator[str]:
    path, folder = sink.path, sink.path.absolute().parent
    if path.is_dir():
        yield f"{sink.name}: {path} is a folder, expected a file (path)"
    elif not folder.is_dir():
        yield f"{sink.name}: there is no folder for {path} (path): make it, mkdir -p {shlex.quote(str(folder))}"
    elif not os.access(path if path.exists() else folder, os.W_OK):
        yield f"{sink.name}: {path} can't be written by who runs this (path)"


def trial(duty: Duty, *, now: datetime) -> Iterator[tuple[str, str | None]]:
    """(sink, why it did not take the test delivery; null = it did), one after the other; nothing is
    tried again.
    """
    for sink in duty.sinks:
        try:
            deliver(sink, _delivery_id(now), payload(duty, now=now))
        except Undelivered as error:
            yield sink.name, str(error)
        else:
            yield sink.name, None


def _delivery_id(now: datetime) -> str:
    return f"test/{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def payload(duty: Duty, *, now: datetime) -> dict:
    """A delivery that says that it is a test and that nothing happened."""
    return {
        "version": 1,
        "news": "test",
        "alert_id": _delivery_id(now),
        "rule": "test",
        "title": "a test: nothing happened",
        "tier": "today",
        "clinic_id": None,
        "told": None,
        "step": 0,
        "told_at": now.astimezone(UTC).isoformat(timespec="milliseconds"),
        "link": f"{duty.link.rstrip('/')}/safety" if duty.link else None,
    }
