"""What leaves the site is what the sink's detail allows: tried on the bytes, with names planted in
every field.

Here: all rules, tiers, news, details and ways out. Not here: the wire's form (test_webhook.py,
test_mail.py).
"""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.alerting.book import Book
from ingest.alerting.digest import digests
from ingest.alerting.duty import Duty
from ingest.alerting.hearing import hear
from ingest.alerting.mail import message
from ingest.alerting.names import kept_files, naming_key, outward
from ingest.alerting.telling import tell
from ingest.alerting.webhook import wire_id
from ingest.alerting.wording import FORMATS
from ingest.settings import Settings
from transforms.alerting.causes import CAUSES
from transforms.alerting.news import NEWS, alert_id
from transforms.alerting.rules import RULES
from transforms.errors import UsageError

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
MORNING_AFTER = datetime(2026, 5, 5, 12, tzinfo=UTC)
KEY = b"a secret"
# Field -> what is planted in it; none of it may leave at `least`. A cause and a record's id may
# hold anything.
PLANTED = {
    "subject_id": "Erika-Mustermann",
    "cause": "Lindenstrasse",
    "patient_id": "P-4711",
    "device_id": "Kabine-Nord",
    "evidence": ["Ereignis-99"],
    "finding": "Verbrennung am Ruecken -130.5",
}
AT_SUBJECT = ("subject_id", "device_id", "evidence")
AT_FINDING = (*AT_SUBJECT, "finding")
HOOK = {"kind": "webhook", "url": "https://x.example"}
WAYS = {
    "floe": HOOK,
    "pager": HOOK | {"format": "pagerduty", "routing_key_env": "PAGER_KEY"},
    "chat": HOOK | {"format": "slack"},
    "mail": {
        "kind": "email",
        "host": "mail.example",
        "sender": "a@x.example",
        "to": ["b@x.example"],
    },
    "list": {"kind": "file", "path": "unused"},
}


def duty(detail: str) -> Duty:
    sinks = [{"name": name, "detail": detail} | way for name, way in WAYS.items()]
    return Duty.model_validate({"link": "https://floe.example", "sinks": sinks})


def wire(sink, delivery: dict) -> str:
    """All that goes over the wire, decoded."""
    name, payload = delivery["delivery_id"], delivery["payload"]
    if sink.kind == "email":
        mail = message(sink, name, payload)
        return f"{mail.items()} {mail.get_content()}"
    if sink.kind == "file":
        return name + json.dumps(payload, ensure_ascii=False)
    return wire_id(name) + json.dumps(FORMATS[sink.format](sink, payload), ensure_ascii=False)


def told(tmp_path, *, rule: str, tier: str, news: str, detail: str) -> list[str]:
    """What leaves of an alert by all ways: at once, or in the morning's digest."""
    import polars as pl

    row = (
        dict.fromkeys(NEWS)
        | PLANTED
        | {"rule": rule, "tier": tier, "clinic_id": "C1", "occurred_at": NOW, "landed_at": NOW}
    )
    row |= {
        "subject_kind": "adverse_event",
        "level": 3,
        "gravity": 23,
        "news": "opened",
        "state": "open",
        "revision": 0,
    }
    about = (rule, row["subject_kind"], row["subject_id"], row["cause"], "C1")
    row["alert_id"] = alert_id(*about, key=KEY)
    site = duty(detail)
    with Book(tmp_path / "book", key=KEY) as book:
        book.enter(pl.DataFrame([row], schema=NEWS), now=NOW)
        tell(book, site, row["alert_id"], news="opened", now=NOW)
        if news != "opened":
            book.update(row["alert_id"], revision=1)
            tell(book, site, row["alert_id"], news=news, now=NOW)
        digests(book, site, {}, now=MORNING_AFTER)
        sent = []
        for sink in site.sinks:
            while due := book.due(sink.name, now=MORNING_AFTER):
                for delivery in due:
                    sent.append(wire(sink, delivery))
                    book.delivered(delivery["number"], now=NOW)
    return sent


@pytest.mark.parametrize("rule", list(RULES))
@pytest.mark.parametrize("tier", ["now", "today", "noted"])
@pytest.mark.parametrize(
    ("detail", "allowed"), [("least", ()), ("subject", AT_SUBJECT), ("finding", AT_FINDING)]
)
def test_nothing_leaves_but_what_the_detail_allows(
    tmp_path, monkeypatch, rule, tier, detail, allowed
):
    """Of every rule by every way; `noted` leaves by none, and a digest holds counts alone."""
    monkeypatch.setenv("PAGER_KEY", "routing-key")
    sent = told(tmp_path, rule=rule, tier=tier, news="closed", detail=detail)
    assert len(sent) == {"now": 2, "today": 1, "noted": 0}[tier] * len(WAYS)
    for text in sent:
        for field, planted in PLANTED.items():
            planted = planted[0] if isinstance(planted, list) else planted
            may = field in allowed and tier == "now"
            assert may or planted not in text, (field, text)


def test_what_is_planted_would_be_seen(tmp_path, monkeypatch):
    """The test above looks at what does leave: where the detail allows it, it is there."""
    monkeypatch.setenv("PAGER_KEY", "routing-key")
    for text in told(tmp_path, rule="harm", tier="now", news="raised", detail="finding"):
        assert "Erika-Mustermann" in text
        assert PLANTED["finding"] in text


def test_an_alert_of_another_program_says_nothing_of_its_own(tmp_path, monkeypatch):
    """Its name, rule and words are anybody's: under a name of ours, without them; and it stops
    nobody.
    """
    import polars as pl

    from transforms.schemas import RAW_TABLES

    monkeypatch.setenv("PAGER_KEY", "routing-key")
    row = {
        "alert_id": "Erika-Mustermann",
        "rule": "Verbrennung bei P-4711",
        "tier": "now",
        "state": "open",
        "source": "urn:x",
        "clinic_id": "C1",
        "subject_kind": "patient",
        "subject_id": "P-4711",
        "finding": "P-4711",
        "kafka_offset": 0,
        "occurred_at": NOW,
        "ingested_at": NOW,
    }
    landed = RAW_TABLES["alerts"].conform(
        pl.DataFrame([dict.fromkeys(RAW_TABLES["alerts"].names) | row], infer_schema_length=None)
    )
    site = duty("least")
    with Book(tmp_path / "book", key=KEY) as book:
        hear(book, site, landed, now=NOW)
        texts = [wire(sink, d) for sink in site.sinks for d in book.due(sink.name, now=NOW)]
    assert len(texts) == len(WAYS)
    for text in texts:
        assert "an alert of another program" in text
        assert not any(planted in text for planted in ("Erika", "P-4711", "Verbrennung"))


@given(patient=st.from_regex(r"P[0-9]{1,4}", fullmatch=True))
def test_a_name_can_not_be_tried_back_to_an_id(patient):
    """Whoever knows the rule, the clinic and all ids, but not the secret, computes another name."""
    about = ("harm", "adverse_event", patient, "", "C1")
    assert alert_id(*about, key=KEY) == alert_id(*about, key=KEY)
    assert alert_id(*about, key=KEY) != alert_id(*about)
    assert alert_id(*about, key=KEY) != alert_id(*about, key=b"another")
    assert outward(alert_id(*about, key=KEY), key=KEY) == alert_id(*about, key=KEY)
    assert patient not in outward(f"harm-{patient}", key=KEY)


def test_a_site_keeps_its_secret(tmp_path):
    """Across restarts, for its owner alone, in a backup; another site has another; one of its own
    is long enough.
    """
    one, other = Settings(home=tmp_path / "one"), Settings(home=tmp_path / "other")
    for settings in (one, other):
        settings.home.mkdir()
    key = naming_key(one)
    assert (naming_key(one), len(key)) == (key, 32)
    assert naming_key(other) != key
    assert (one.home / "alerts.key").stat().st_mode & 0o077 == 0
    assert bytes.fromhex(kept_files(one)["alerts.key"].decode()) == key
    (one.home / "alerts.key").write_text("cut of")
    with pytest.raises(UsageError, match=r"alerts\.key"):
        naming_key(one)
    own = Settings(home=tmp_path / "one", alerts_secret="a secret of sixteen or more")
    assert naming_key(own) == naming_key(
        Settings(home=tmp_path / "other", alerts_secret="a secret of sixteen or more")
    )
    with pytest.raises(UsageError, match="16"):
        naming_key(Settings(home=tmp_path / "one", alerts_secret="short"))


assert set(PLANTED) <= set(CAUSES)
