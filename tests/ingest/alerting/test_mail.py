"""Mail on the wire: to a real SMTP receiver, in the clear, by STARTTLS, by TLS, signed in.

Here: one delivery. Not here: order and patience (test_sinks.py).
"""

import time

import pytest

from ingest.alerting import undelivered
from ingest.alerting.duty import Duty
from ingest.alerting.sinks import deliver
from ingest.alerting.undelivered import Undelivered
from tests.receivers import PAYLOAD, MailServer, Talker, certificate


@pytest.fixture(scope="module")
def trust(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("trust"))


@pytest.fixture
def server(trust, request):
    given = getattr(request, "param", {})
    server = MailServer(tls=trust[1] if given.get("tls", True) else None, **given.get("more", {}))
    yield server
    server.stop()


def email(server, **given):
    sink = {
        "name": "mail",
        "kind": "email",
        "host": "127.0.0.1",
        "port": server.port,
        "sender": "floe@clinic.example",
    }
    return Duty.model_validate({"sinks": [sink | {"to": ["duty@clinic.example"]} | given]}).sinks[0]


@pytest.mark.parametrize(
    ("server", "is_tls", "user"),
    [
        ({"tls": False}, "none", None),
        ({}, "starttls", None),
        ({"more": {"users": {"floe": "geheimeswort"}}}, "starttls", "floe"),
        ({"more": {"is_tls": True, "users": {"floe": "geheimeswort"}}}, "tls", "floe"),
    ],
    indirect=["server"],
)
def test_mail_arrives_as_the_server_wants_it(server, trust, monkeypatch, is_tls, user):
    """In the clear, by STARTTLS, by TLS; signed in where it is asked for."""
    monkeypatch.setenv("MAIL_PASSWORD", "geheimeswort")
    signing = {"username": "floe", "password_env": "MAIL_PASSWORD"} if user else {}
    deliver(email(server, is_tls=is_tls, ca_file=str(trust[0]), **signing), "harm-1/0/0", PAYLOAD)
    [(recipients, mail, _, was_tls, who)] = server.taken
    assert (recipients, was_tls, who) == (["duty@clinic.example"], is_tls != "none", user)
    assert mail["Subject"] == "Floe: harm to a patient, clinic C1 (opened)"
    assert PAYLOAD["link"] in mail.get_content()
    assert mail["Date"]
    assert mail["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(
    ("server", "is_tls"),
    [({}, "starttls"), ({"more": {"is_tls": True}}, "tls")],
    indirect=["server"],
)
def test_a_server_that_nobody_trusts_gets_nothing(server, is_tls):
    """Its certificate is of no authority that is known here."""
    with pytest.raises(Undelivered, match="certificate"):
        deliver(email(server, is_tls=is_tls), "d", PAYLOAD)
    assert server.taken == []


@pytest.mark.parametrize("server", [{"tls": False}], indirect=True)
def test_starttls_that_is_not_offered_is_not_done_without(server):
    """Somebody between may have taken the offer out."""
    with pytest.raises(Undelivered, match="STARTTLS"):
        deliver(email(server), "d", PAYLOAD)
    assert server.taken == []


def test_a_password_that_is_refused_is_not_said(trust, monkeypatch):
    """Nor anything else tried with it: an account that is locked tells nobody."""
    server = MailServer(tls=trust[1], users={"floe": "right"})
    monkeypatch.setenv("MAIL_PASSWORD", "geheimeswort")
    sink = email(server, ca_file=str(trust[0]), username="floe", password_env="MAIL_PASSWORD")
    with pytest.raises(Undelivered, match="535") as caught:
        deliver(sink, "d", PAYLOAD)
    server.stop()
    assert "geheimeswort" not in str(caught.value)
    assert not caught.value.is_refused


@pytest.mark.parametrize(
    ("refuses", "is_refused"),
    [
        ({"RCPT": "550 who?"}, True),
        ({"DATA": "554 not this"}, True),
        ({"DATA": "451 later"}, True),
        ({"MAIL": "451 later"}, False),
        ({"EHLO": "421 not now", "HELO": "421 not now"}, False),
        ({"greeting": "554 go away"}, False),
        ({"greeting": "no server of mail"}, False),
    ],
)
@pytest.mark.parametrize("server", [{"tls": False}], indirect=True)
def test_mail_that_is_not_taken_waits(server, refuses, is_refused):
    """One sentence with what the server said; of a fault of the server all wait."""
    server.refuses = refuses
    with pytest.raises(Undelivered, match=r"mail at 127\.0\.0\.1") as caught:
        deliver(email(server, is_tls="none"), "d", PAYLOAD)
    assert caught.value.is_refused == is_refused


@pytest.mark.parametrize("server", [{"tls": False}], indirect=True)
def test_an_address_that_is_refused_keeps_it_from_nobody_else(server, caplog):
    """It was taken for the other: it is not sent again to that one every five minutes, and the log
    says so.
    """
    server.refuses = {"RCPT TO:<GONE@CLINIC.EXAMPLE>": "550 who?"}
    deliver(
        email(server, is_tls="none", to=["gone@clinic.example", "duty@clinic.example"]),
        "d",
        PAYLOAD,
    )
    assert [recipients for recipients, *_ in server.taken] == [["duty@clinic.example"]]
    assert "gone@clinic.example" in caplog.text


@pytest.mark.parametrize("server", [{"tls": False}], indirect=True)
def test_an_address_beyond_this_server_keeps_it_from_nobody_else(server, caplog):
    """Without SMTPUTF8 (RFC 6531) it takes no name that is not ASCII; a domain has another
    spelling, and is reached.
    """
    to = ["jörg@clinic.example", "duty@clinic.example", "info@köln.example"]
    deliver(email(server, is_tls="none", to=to), "d", PAYLOAD)
    [(recipients, mail, *_)] = server.taken
    assert recipients == ["duty@clinic.example", "info@xn--kln-sna.example"]
    assert mail["To"] == "duty@clinic.example, info@xn--kln-sna.example"
    assert "does not take mail for jörg@clinic.example" in caplog.text


@pytest.mark.parametrize(
    "given", [{"to": ["jörg@clinic.example"]}, {"sender": "flö@clinic.example"}]
)
@pytest.mark.parametrize("server", [{"tls": False}], indirect=True)
def test_mail_that_can_reach_nobody_is_said(server, given):
    """Which address, and what it lacks."""
    with pytest.raises(Undelivered, match=r"takes no .*ö.*SMTPUTF8"):
        deliver(email(server, is_tls="none", **given), "d", PAYLOAD)


@pytest.mark.parametrize(
    "clinic",
    ["C1\r\nBcc: evil@example.com", "C1\x00\x1b[31m", "C\u2028\u0085", "診療所 Süd", "x" * 500],
)
@pytest.mark.parametrize("server", [{"tls": False}], indirect=True)
def test_nothing_of_a_clinics_name_is_a_header(server, clinic):
    """One subject, one recipient; what can't be printed is a blank."""
    deliver(email(server, is_tls="none"), "d", PAYLOAD | {"clinic_id": clinic})
    [(recipients, mail, _, _, _)] = server.taken
    assert recipients == ["duty@clinic.example"]
    assert mail["Bcc"] is None
    assert mail["Subject"].replace(" ", "").isprintable()
    assert not mail.defects


@pytest.mark.parametrize("server", [{"tls": False}], indirect=True)
def test_a_mail_that_is_sent_again_has_the_same_name_and_an_alerts_mails_are_one_thread(server):
    """By which programs show it once."""
    for delivery, news in (
        ("harm-1/0/0", "opened"),
        ("harm-1/0/0", "opened"),
        ("harm-1/1/0", "closed"),
    ):
        deliver(email(server, is_tls="none"), delivery, PAYLOAD | {"news": news})
    first, again, other = (mail for _, mail, *_ in server.taken)
    assert first["Message-ID"] == again["Message-ID"] != other["Message-ID"]
    assert first["References"] == other["References"]


def test_a_server_that_talks_without_end_is_cut_off(monkeypatch):
    """Within the deadline."""
    monkeypatch.setattr(undelivered, "WHOLE_S", 0.5)
    talker, began = Talker([b"220-still here\r\n"] * 1000, pause_s=0.05), time.monotonic()
    with pytest.raises(Undelivered, match="mail"):
        deliver(email(talker, is_tls="none"), "d", PAYLOAD)
    assert time.monotonic() - began < 3
    talker.stop()
