"""docs/alerts.md says what is: the rules, the settings, the payloads, and how a signature is
verified.

Here: the document held against the code. Not here: what is true of either alone.
"""

import json
import re
import tomllib

import pytest

from ingest.alerting import duty, trying
from ingest.alerting.duty import Duty
from ingest.alerting.sinks import deliver
from ingest.alerting.webhook import signed
from tests import alerts_document
from tests.receivers import Receiver

TEXT = alerts_document.DOCUMENT.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_what_follows_from_the_code_is_as_the_code_has_it():
    """After a change: python -m tests.alerts_document."""
    assert alerts_document.written(TEXT) == TEXT
    assert all(f"<!-- {mark} -->" in TEXT for mark in alerts_document.parts())


@pytest.mark.parametrize("example", blocks("toml"))
def test_each_example_of_a_file_can_be_read_and_tells_everybody(example, monkeypatch):
    """Nothing of it is advised against, once its variables are set."""
    for name in ("PAGER_KEY", "SECOND_PAGER_KEY", "CHAT_URL", "MAIL_PASSWORD"):
        monkeypatch.setenv(name, "https://chat.example/x")
    assert trying.faults(Duty.model_validate(tomllib.loads(example))) == []


@pytest.mark.parametrize(
    "part", [Duty, duty.Webhook, duty.Email, duty.File, duty._Clinic, duty._Rule]
)
def test_every_setting_is_explained(part):
    """By its name, in a table."""
    for name in part.model_fields:
        assert f"`{name}`" in TEXT, name


@pytest.mark.parametrize("secret", ["s3cret", "whsec_AAECAwQ="])
def test_the_receivers_code_verifies_what_is_sent(monkeypatch, secret):
    """The example as it stands: takes ours, and no other body, key, time or repetition."""
    monkeypatch.setenv("HOOK_SECRET", secret)
    space: dict = {}
    exec(blocks("python")[0], space)
    receiver = Receiver()
    receiver.start()
    sink = {"name": "hook", "kind": "webhook", "url": receiver.url, "secret_env": "HOOK_SECRET"}
    deliver(
        Duty.model_validate({"sinks": [sink]}).sinks[0], "harm-1/0/0", json.loads(blocks("json")[0])
    )
    receiver.stop()
    [(delivery, _, headers)] = receiver.taken
    moment = int(headers["webhook-timestamp"])
    verify = space["verify"]
    assert verify(headers, headers["body"], secret, set())
    assert not verify(headers, headers["body"] + b" ", secret, set())
    assert not verify(headers, headers["body"], "another", set())
    assert not verify(headers, headers["body"], secret, {delivery})
    assert not verify(headers, headers["body"], secret, set(), now=moment + 301)
    assert not verify(
        headers | {"webhook-timestamp": str(moment + 1)}, headers["body"], secret, set()
    )
    assert not verify(headers | {"webhook-id": "other"}, headers["body"], secret, set())
    assert headers["webhook-signature"] == signed(delivery, headers["body"], key=secret, at=moment)
