"""A webhook on the wire: signed as anybody can verify, bounded, sent nowhere but to its address,
its secrets unsaid.

Here: one delivery to real receivers. Not here: order and patience (test_sinks.py), what is put in
the book (test_watcher.py).
"""

import base64
import re
import subprocess
import time
from types import SimpleNamespace

import pytest

from ingest.alerting import undelivered
from ingest.alerting.duty import Duty
from ingest.alerting.sinks import deliver
from ingest.alerting.undelivered import Undelivered
from ingest.alerting.webhook import wire_id
from ingest.alerting.wording import for_slack
from tests.receivers import PAYLOAD, Receiver, Talker, certificate


def webhook(url: str = "", **given):
    sink = {"name": "hook", "kind": "webhook"} | ({"url": url} if url else {}) | given
    return Duty.model_validate({"sinks": [sink]}).sinks[0]


@pytest.mark.parametrize(
    ("given", "key"),
    [("s3cret", b"s3cret"), ("whsec_" + base64.b64encode(b"\x00\xffkey").decode(), b"\x00\xffkey")],
)
def test_a_delivery_is_signed_as_openssl_signs(receiver, monkeypatch, given, key):
    """HMAC-SHA-256 of id.timestamp.body (Standard Webhooks), computed by another program."""
    monkeypatch.setenv("HOOK_SECRET", given)
    deliver(webhook(receiver.url, secret_env="HOOK_SECRET"), "harm-1/0/0", PAYLOAD)
    [(delivery, body, headers)] = receiver.taken
    assert (delivery, headers["webhook-id"], body) == ("harm-1/0/0", "harm-1/0/0", PAYLOAD)
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    signed = f"{delivery}.{headers['webhook-timestamp']}.".encode() + headers["body"]
    command = [
        "openssl",
        "dgst",
        "-sha256",
        "-mac",
        "HMAC",
        "-macopt",
        f"hexkey:{key.hex()}",
        "-binary",
    ]
    digest = subprocess.run(command, input=signed, capture_output=True, check=True).stdout
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


def test_a_repetition_has_the_same_id_and_a_new_time(receiver, monkeypatch):
    """So that a receiver tells a repetition of ours (the id) from a replay by others (the time)."""
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    times = iter([1000, 2000])
    monkeypatch.setattr("ingest.alerting.webhook.time", SimpleNamespace(time=lambda: next(times)))
    for _ in range(2):
        deliver(webhook(receiver.url, secret_env="HOOK_SECRET"), "d", PAYLOAD)
    (_, _, first), (_, _, second) = receiver.taken
    assert (first["webhook-id"], first["webhook-timestamp"]) == ("d", "1000")
    assert (second["webhook-id"], second["webhook-timestamp"]) == ("d", "2000")
    assert first["webhook-signature"] != second["webhook-signature"]


@pytest.mark.parametrize(
    "delivery_id", ["digest/Klinik Süd/2026-05-04/a.b", "digest/診療所/x", "a\r\nX-Evil: 1"]
)
def test_an_id_of_any_letters_is_a_header(receiver, delivery_id):
    """Clinics have names of their own; nothing of one ends a header or what is signed."""
    deliver(webhook(receiver.url), delivery_id, PAYLOAD)
    [(delivery, _, headers)] = receiver.taken
    assert delivery == wire_id(delivery_id)
    assert delivery.isascii()
    assert "." not in delivery
    assert "X-Evil" not in headers


@pytest.mark.parametrize(
    ("news", "actions"),
    [
        ("opened", ["trigger"]),
        ("unacknowledged", ["resolve", "trigger"]),
        ("raised", ["resolve", "trigger"]),
        ("opened_again", ["resolve", "trigger"]),
        ("acknowledged", ["acknowledge"]),
        ("investigating", ["acknowledge"]),
        ("closed", ["resolve"]),
        ("digest", ["trigger", "resolve"]),
        ("test", ["trigger", "resolve"]),
    ],
)
def test_a_pager_is_spoken_to_in_its_own_words(receiver, monkeypatch, news, actions):
    """One incident an alert; told again, a new one, for an acknowledged incident wakes nobody. What
    no alert closes stays no open incident.
    """
    monkeypatch.setenv("KEY", "routing-key")
    deliver(
        webhook(receiver.url, format="pagerduty", routing_key_env="KEY"),
        "d",
        PAYLOAD | {"news": news},
    )
    bodies = [body for _, body, _ in receiver.taken]
    assert [body["event_action"] for body in bodies] == actions
    assert {(body["dedup_key"], body["routing_key"]) for body in bodies} == {
        ("harm-1", "routing-key")
    }
    assert {body["payload"]["severity"] for body in bodies} == {"critical"}
    assert len({delivery for delivery, *_ in receiver.taken}) == len(bodies)


def test_what_a_pager_gets_keeps_to_its_limits(receiver, monkeypatch):
    """PagerDuty, Events API v2: summary of at most 1,024 characters, dedup_key of at most 255, a
    source that is not empty.
    """
    monkeypatch.setenv("KEY", "routing-key")
    long = PAYLOAD | {"title": "x" * 3000, "alert_id": "a" * 300, "clinic_id": None, "link": None}
    deliver(webhook(receiver.url, format="pagerduty", routing_key_env="KEY"), "d", long)
    [(_, body, _)] = receiver.taken
    assert (len(body["payload"]["summary"]), len(body["dedup_key"]), body["payload"]["source"]) == (
        1024,
        255,
        "floe",
    )
    assert "links" not in body


def test_what_a_chat_gets_is_text_and_a_link(receiver):
    """No markup and no mention of a channel, whatever the clinic is called and the finding says."""
    odd = PAYLOAD | {
        "clinic_id": "<!channel> & @all\nx",
        "finding": "see <https://evil.example|here>",
    }
    deliver(webhook(receiver.url, format="slack"), "d", odd)
    deliver(webhook(receiver.url, format="slack"), "e", PAYLOAD | {"link": None})
    (_, first, _), (_, second, _) = receiver.taken
    assert first["text"] == (
        "Floe: harm to a patient, clinic `&lt;!\u200bchannel&gt; &amp; @\u200ball x` (opened)\n"
        f"finding: `see &lt;https:\u200b//evil.\u200bexample|here&gt;` <{PAYLOAD['link']}|open>"
    )
    assert second["text"] == "Floe: harm to a patient, clinic C1 (opened)"


@pytest.mark.parametrize(
    "text",
    [
        "[click](http://evil.example)",
        "![x](http://evil.example/a.png)",
        "[click][1]",
        "www.evil.example",
        "evil.example/path",
        "mailto:a@evil.example",
        "<http://evil.example|click>",
        "<!here> <@U1> <#C1>",
        "@channel and @all, #general, ~town-square",
        "*bold* _slanted_ ~struck~ **bold** __bold__",
        "`code` ``` code ```",
        "` [click](http://evil.example) `",
        ":smile: :+1:",
        "# heading",
        "> quoted",
        "| a | b |",
        "1\n\n[x]: http://evil.example",
        "\\[click](http://evil.example)",
        "&lt;!channel&gt;",
        "x" * 390 + "` [click](http://evil.example)",
        "`" * 5000,
    ],
)
@pytest.mark.parametrize("field", ["finding", "clinic_id", "subject_id", "evidence"])
def test_no_text_of_a_record_is_markup_in_a_chat(field, text):
    """All of it is within a pair of backticks of one line, where neither chat sees markup; and no
    link or mention is whole.
    """
    value = [text] if field == "evidence" else text
    [body] = for_slack(
        webhook("https://x.example", format="slack"),
        PAYLOAD | {"link": None, "subject_id": "AE-17", field: value},
    )
    outside = re.sub(r"`[^`\n]+`", "", body["text"])
    assert outside.count("`") == 0
    assert re.fullmatch(r"[A-Za-z0-9 :,()\n-]+", outside), outside
    assert not re.search(r"://|\]\(|\]\[|@\w|<|>|www\.\w|evil\.e|:smile", body["text"])


@pytest.mark.parametrize(
    "text",
    ["cold burn, grade 1", "-121.5 °C, 3.2 K below", "seen at 12:30; E-17", "Erfrierung am Fuß."],
)
def test_plain_words_stay_as_they_are_in_a_chat(text):
    """What holds no mark is no code."""
    [body] = for_slack(
        webhook("https://x.example", format="slack"), PAYLOAD | {"link": None, "finding": text}
    )
    assert body["text"].endswith(f"\nfinding: {text}")


def test_what_a_chat_gets_keeps_to_its_limit():
    """Whole lines of at most 3,000 characters with as much as may be said; the link is not cut."""
    long = dict.fromkeys(("finding", "subject_id", "device_id", "clinic_id"), "<" * 9000)
    [body] = for_slack(webhook("https://x.example", format="slack"), PAYLOAD | long)
    assert len(body["text"]) < 3000 + 100
    assert body["text"].endswith(f"<{PAYLOAD['link']}|open>")
    assert body["text"].count("`") % 2 == 0


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver, status):
    """Nobody set the other address."""
    other = Receiver()
    other.start()
    receiver.answers, receiver.headers = [status], {"Location": other.url}
    with pytest.raises(Undelivered, match=str(status)):
        deliver(webhook(receiver.url), "d", PAYLOAD)
    other.stop()
    assert other.paths == []


@pytest.mark.parametrize(
    ("status", "after", "is_refused", "wait_s"),
    [
        (400, "9", True, None),
        (500, "", True, None),
        (503, "", True, None),
        (503, "9", False, 9),
        (429, "", False, None),
        (429, "0", False, 1),
        (429, "99999999999", False, 3600),
        (429, "soon", False, None),
        (429, "-5", False, None),
        (429, "Wed, 21 Oct 2015 07:28:00 GMT", False, 1),
        (429, "Wed, 21 Oct 2015 07:28:00", False, None),
    ],
)
def test_a_refusal_says_whether_others_may_be_tried_and_when(
    receiver, status, after, is_refused, wait_s
):
    """One that is refused holds up no other; a receiver that is too busy is left alone, for an hour
    at most.
    """
    receiver.answers, receiver.headers = [status], {"Retry-After": after}
    with pytest.raises(Undelivered, match=str(status)) as caught:
        deliver(webhook(receiver.url), "d", PAYLOAD)
    assert (caught.value.is_refused, caught.value.wait_s) == (is_refused, wait_s)


ENDLESS = [b"HTTP/1.1 400 No\r\n\r\n", *[b"x" * 65536] * 2000]


@pytest.mark.parametrize(
    ("pieces", "pause_s"),
    [
        ([b"not http at all\r\n\r\n"], 0),
        ([b"HTTP/1.1 2"], 0),
        ([b""], 0),
        ([b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 500], 0),
        ([b"x" * 10_000_000], 0),
        ([b"H", *[b"T"] * 1000], 0.1),  # a letter now and then
        ([b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 90], 0.1),
        (ENDLESS, 0),
        ([b"HTTP/1.1 500 No\r\n\r\n", *[b"x"] * 1000], 0.1),
    ],
)
def test_an_answer_that_is_wrong_slow_or_without_end_is_bounded(monkeypatch, pieces, pause_s):
    """One sentence, within the deadline, whatever the receiver sends."""
    monkeypatch.setattr(undelivered, "WHOLE_S", 0.5)
    talker, began = Talker(pieces, pause_s=pause_s), time.monotonic()
    with pytest.raises(Undelivered, match="hook") as caught:
        deliver(webhook(f"http://127.0.0.1:{talker.port}/"), "d", PAYLOAD)
    assert time.monotonic() - began < 3
    assert len(str(caught.value)) < 1000
    talker.stop()


def test_a_proxy_of_the_environment_is_not_used(receiver, monkeypatch):
    """Nobody set it for alerts; the sink's own is used."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    deliver(webhook(receiver.url), "d", PAYLOAD)
    deliver(webhook("http://pager.example/x", proxy=receiver.url), "e", PAYLOAD)
    assert receiver.paths == ["/", "http://pager.example/x"]


def test_certificates_are_verified(tmp_path, monkeypatch):
    """Of an authority that is not trusted: not sent. Of the sink's own: sent."""
    authority, context = certificate(tmp_path)
    receiver = Receiver(tls=context)
    receiver.start()
    with pytest.raises(Undelivered, match="certificate"):
        deliver(webhook(receiver.url), "d", PAYLOAD)
    deliver(webhook(receiver.url, ca_file=str(authority)), "d", PAYLOAD)
    with pytest.raises(Undelivered, match="mismatch"):
        deliver(
            webhook(receiver.url.replace("127.0.0.1", "localhost"), ca_file=str(authority)),
            "d",
            PAYLOAD,
        )
    receiver.stop()
    assert len(receiver.taken) == 1


def test_an_address_of_six_groups_is_reached():
    """IPv6, in brackets."""
    receiver = Receiver(host="::1")
    try:
        receiver.start()
    except OSError:
        pytest.skip("this machine has no IPv6")
    deliver(webhook(receiver.url), "d", PAYLOAD)
    receiver.stop()
    assert len(receiver.taken) == 1


def test_a_host_of_other_letters_is_asked_for_by_its_ascii_name(monkeypatch):
    """bücher.example is xn--bcher-kva.example to everybody who resolves it."""
    asked = []

    def resolve(host, *_, **__):
        asked.append(host)
        raise OSError("no such host")

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    with pytest.raises(Undelivered, match="no such host"):
        deliver(webhook("https://bücher.example/x"), "d", PAYLOAD)
    assert asked == ["xn--bcher-kva.example"]


SECRET_URL = "services/T0AAAA/B0BBBB/geheimesgeheimnis"


@pytest.mark.parametrize("where", ["url", "url_env"])
@pytest.mark.parametrize("status", [404, 302, 429, 0])
def test_a_url_with_a_token_is_in_no_message(receiver, monkeypatch, where, status):
    """A chat's address is a secret: whatever the receiver echoes, and where it is down."""
    monkeypatch.setenv("CHAT_URL", receiver.url + SECRET_URL)
    sink = (
        webhook(receiver.url + SECRET_URL)
        if where == "url"
        else webhook(url_env="CHAT_URL", format="slack")
    )
    receiver.answers = [status or 200]
    receiver.answer = f"no {SECRET_URL} of geheimesgeheimnis".encode()
    if not status:
        receiver.stop()
    with pytest.raises(Undelivered) as caught:
        deliver(sink, "d", PAYLOAD)
    assert not any(part in str(caught.value) for part in ("geheim", "T0AAAA", "B0BBBB"))
    if not status:
        receiver.start()


@pytest.mark.parametrize("value", ["", "ftp://x", "https://u:geheim@x/", "https://x/a b"])
def test_a_variable_that_holds_no_url_is_said_by_its_name(monkeypatch, value):
    """Not by what it holds."""
    monkeypatch.setenv("CHAT_URL", value)
    with pytest.raises(Undelivered, match="CHAT_URL") as caught:
        deliver(webhook(url_env="CHAT_URL"), "d", PAYLOAD)
    assert "geheim" not in str(caught.value)


def test_a_routing_key_that_the_receiver_repeats_is_not_said(receiver, monkeypatch):
    """It answers which key it does not know; a book and a terminal are no place for it."""
    monkeypatch.setenv("KEY", "geheimerschluessel")
    receiver.answers, receiver.answer = [400], b'{"message": "key geheimerschluessel is not known"}'
    with pytest.raises(Undelivered, match="400") as caught:
        deliver(webhook(receiver.url, format="pagerduty", routing_key_env="KEY"), "d", PAYLOAD)
    assert "geheimerschluessel" not in str(caught.value)
