"""A file of duties is tried: what would leave somebody untold is said, and each sink takes a test
or says why not.

Here: advice and the trial. Not here: what no file may say at all (test_sinks.py), the wire
(test_webhook.py).
"""

import json
from datetime import UTC, datetime

import pytest

from ingest.alerting import trying
from ingest.alerting.duty import Duty

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
FILE = {"name": "list", "kind": "file", "path": "unused"}
HOOK = {"name": "hook", "kind": "webhook", "url": "https://x.example"}
MAIL = {
    "name": "mail",
    "kind": "email",
    "host": "mail.example",
    "sender": "a@x.example",
    "to": ["b@x.example"],
}
ROLES = ("duty_clinician", "safety_officer", "technician", "operator", "data_steward")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"sinks": [FILE]}, []),
        ({"sinks": [FILE, HOOK], "rota": {"duty_clinician": ["hook"]}}, []),
        (
            {"sinks": [FILE], "rota": {"duty_clinician": ["list"]}},
            ["nobody is told at once of .*incident", "rota.operator", "rota.technician"],
        ),
        ({}, ["duty_clinician", "operator", "safety_officer", "technician"]),
        (
            {"sinks": [FILE | {"tiers": ["today"]}]},
            ["duty_clinician", "operator", "safety_officer", "technician"],
        ),
        (
            {"sinks": [FILE, HOOK | {"tiers": ["today"]}], "rota": {"duty_clinician": ["hook"]}},
            ["names hook, which hears of nothing"],
        ),
        ({"sinks": [FILE, HOOK | {"url": "http://x.example"}]}, ["http is read"]),
        ({"sinks": [FILE, HOOK | {"url": "http://127.0.0.1:80"}]}, []),
        ({"sinks": [FILE, HOOK | {"secret_env": "NOT_SET"}]}, ["NOT_SET .secret_env. is not set"]),
        ({"sinks": [FILE | {"tiers": ["now"]}]}, ["nobody is told in the morning of .*harm"]),
        (
            {
                "sinks": [FILE | {"tiers": ["now"]}, HOOK],
                "rota": {role: ["list", "hook"] for role in ROLES},
            },
            [],  # the digest goes to the first of the rota that takes it
        ),
        (
            {"sinks": [FILE | {"path": "absent/list"}]},
            ["no folder for absent/list .*mkdir -p /.*/absent"],
        ),
        ({"sinks": [FILE | {"path": "/"}]}, ["/ is a folder"]),
        (
            {"sinks": [FILE, HOOK | {"format": "pagerduty", "routing_key_env": "PATH"}]},
            ["a digest is no incident"],
        ),
        (
            {"sinks": [FILE, MAIL | {"to": ["jörg@x.example", "info@köln.example"]}]},
            ["takes no jörg@x.example:"],
        ),
        ({"sinks": [FILE, MAIL | {"to": ["info@köln.example"]}]}, []),
        ({"sinks": [FILE, MAIL | {"is_tls": "none"}]}, ["without TLS"]),
        ({"sinks": [FILE, MAIL | {"ca_file": "/absent.pem"}]}, ["/absent.pem"]),
    ],
)
def test_what_would_tell_nobody_is_said(given, expected, monkeypatch):
    """A sentence for each role, variable and address."""
    import re

    monkeypatch.delenv("NOT_SET", raising=False)
    found = trying.faults(Duty.model_validate(given))
    assert all(any(re.search(pattern, sentence) for sentence in found) for pattern in expected), (
        found
    )
    assert bool(found) == bool(expected)


def test_each_sink_is_tried_and_says_what_became_of_it(tmp_path):
    """One that fails keeps it from no other; the delivery says that nothing happened."""
    path = tmp_path / "list"
    sinks = [HOOK | {"url": "http://127.0.0.1:1"}, FILE | {"path": str(path)}]
    results = dict(trying.trial(Duty.model_validate({"sinks": sinks}), now=NOW))
    assert "does not answer" in results["hook"]
    assert results["list"] is None
    line = json.loads(path.read_text())
    assert (line["news"], line["title"], line["tier"]) == (
        "test",
        "a test: nothing happened",
        "today",
    )
