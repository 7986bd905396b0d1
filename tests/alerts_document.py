"""`python -m tests.alerts_document`: writes the parts of docs/alerts.md that follow from the rules
and the code.

Here: the table of rules and the examples of deliveries, each between its marks. Not here: the rest
of the document, which is written by hand.
"""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

from ingest.alerting.duty import Duty
from ingest.alerting.telling import _payload
from ingest.alerting.wording import FORMATS
from transforms.alerting.news import alert_id
from transforms.alerting.rule import AlertRule
from transforms.alerting.rules import RULES

DOCUMENT = Path(__file__).parents[1] / "docs" / "alerts.md"
AT = datetime(2026, 5, 4, 9, 12, 30, tzinfo=UTC)
_SINKS = [
    {"name": "least", "kind": "webhook", "url": "https://receiver.example"},
    {"name": "finding", "kind": "webhook", "url": "https://receiver.example", "detail": "finding"},
    {
        "name": "pagerduty",
        "kind": "webhook",
        "url": "https://x",
        "format": "pagerduty",
        "routing_key_env": "PAGER_KEY",
    },
    {"name": "slack", "kind": "webhook", "url": "https://x", "format": "slack"},
]
_DUTY = Duty.model_validate({"link": "https://floe.example", "sinks": _SINKS})
_ALERT = {
    "alert_id": alert_id("harm", "adverse_event", "AE-17", "", "C1", key=b"a secret of the site"),
    "rule": "harm",
    "tier": "now",
    "clinic_id": "C1",
    "revision": 0,
    "subject_kind": "adverse_event",
    "subject_id": "AE-17",
    "device_id": "cabin-2",
    "evidence": ["e-4711"],
    "occurred_at": AT - timedelta(minutes=9),
    "finding": "cold burn, grade 1",
}


def rules_table() -> str:
    head = "| rule | tier | when | told | minutes to acknowledge | fresh for | cleared by |\n| --- | --- | --- | --- | --- | --- | --- |"
    return "\n".join([head, *(_row(rule) for rule in RULES.values())])


def _row(rule: AlertRule) -> str:
    fresh = (
        "always"
        if rule.fresh_h is None
        else f"{rule.fresh_h:g} h"
        if rule.fresh_h < 48
        else f"{rule.fresh_h / 24:g} d"
    )
    minutes = str(rule.acknowledge_min) if rule.tier == "now" else ""
    cells = (
        f"`{rule.id}`: {rule.title}",
        rule.tier,
        rule.when,
        rule.told,
        minutes,
        fresh,
        rule.clears,
    )
    return f"| {' | '.join(cells)} |"


def parts() -> dict[str, str]:
    """Mark -> text."""
    os.environ.setdefault("PAGER_KEY", "R0UT1NGKEY")
    book = SimpleNamespace(key=b"a secret of the site")
    payloads = {
        sink.name: _payload(book, _ALERT, _DUTY, sink, news="opened", step=0, now=AT)
        for sink in _DUTY.sinks
    }
    more = {
        name: value for name, value in payloads["finding"].items() if name not in payloads["least"]
    }
    bodies = {sink.name: FORMATS[sink.format](sink, payloads[sink.name])[0] for sink in _DUTY.sinks}
    if "routing_key" in bodies["pagerduty"]:
        bodies["pagerduty"]["routing_key"] = "(of routing_key_env)"
    examples = bodies | {"finding": more}
    return {"rules": rules_table()} | {
        name: f"```json\n{json.dumps(body, indent=2, ensure_ascii=False)}\n```"
        for name, body in examples.items()
    }


def written(document: str) -> str:
    for mark, text in parts().items():
        between = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
        document = between.sub(lambda m, text=text: f"{m[1]}{text}\n{m[2]}", document)
    return document


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
