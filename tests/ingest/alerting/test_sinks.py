"""Deliveries: every one reaches its receiver, in order by subject, under one id however often it is sent.

Here: a real HTTP receiver that is down, refuses and comes back; files; what a pager and a chat get. Not here: what is put
in the book (test_watcher.py).
"""

import hashlib
import hmac
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ingest.alerting import sender
from ingest.alerting.book import Book
from ingest.alerting.duty import Duty, read_duty
from ingest.alerting.sinks import Undelivered, deliver
from transforms.errors import UsageError

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
PAYLOAD = {
    "version": 1,
    "news": "opened",
    "alert_id": "harm-1",
    "rule": "harm",
    "title": "harm to a patient",
    "tier": "now",
    "clinic_id": "C1",
    "link": "https://floe.example/safety?alert=harm-1",
}


class Receiver:
    """Keeps a list of what it took: (delivery id, body, headers). `answers`: status codes to give first."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict, dict]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.answers.pop(0) if receiver.answers else 200
                if status == 200:
                    receiver.taken.append(
                        (self.headers["Floe-Delivery"], json.loads(body), {**self.headers, "body": body})
                    )
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"" if status == 200 else b"no")

            def log_message(self, *_) -> None:
                pass

        self._handler = Handler
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@pytest.fixture
def receiver():
    receiver = Receiver()
    receiver.start()
    yield receiver
    receiver.stop()


def webhook(receiver: Receiver, **given):
    sink = {"name": "hook", "kind": "webhook", "url": receiver.url} | given
    return Duty.model_validate({"sinks": [sink]}).sinks[0]


def sent(path, sink, *, times: int = 1) -> None:
    """One round of the sender for each of `times`, each at the moment at which something is due."""
    send = sender.to_sink(sink)
    with Book(path) as book:
        for k in range(times):
            now = NOW + timedelta(hours=k)
            for delivery, error in send(book.due(sink.name, now=now)):
                if error:
                    book.failed(delivery["number"], error=str(error), due_at=NOW)
                else:
                    book.delivered(delivery["number"], now=now)


def test_a_delivery_is_signed_and_named(receiver, monkeypatch):
    """The receiver computes the same signature of time and body; the delivery's id is a header."""
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    deliver(webhook(receiver, secret_env="HOOK_SECRET"), "harm-1/0/0", PAYLOAD)
    [(delivery, body, headers)] = receiver.taken
    assert (delivery, body) == ("harm-1/0/0", PAYLOAD)
    moment, signature = (part.split("=")[1] for part in headers["Floe-Signature"].split(","))
    expected = hmac.new(b"s3cret", moment.encode() + b"." + headers["body"], hashlib.sha256).hexdigest()
    assert signature == expected


def test_a_secret_that_is_not_set_is_said(receiver, monkeypatch):
    """Nothing leaves unsigned where a signature was asked for."""
    monkeypatch.delenv("HOOK_SECRET", raising=False)
    with pytest.raises(Undelivered, match="HOOK_SECRET"):
        deliver(webhook(receiver, secret_env="HOOK_SECRET"), "d", PAYLOAD)
    assert receiver.taken == []


@pytest.mark.parametrize("news", ["opened", "acknowledged", "closed"])
def test_a_pager_and_a_chat_are_spoken_to_in_their_own_words(receiver, monkeypatch, news):
    """PagerDuty: one incident an alert, triggered, acknowledged, resolved with it. Slack: a line with a link."""
    monkeypatch.setenv("KEY", "k")
    payload = PAYLOAD | {"news": news}
    deliver(webhook(receiver, format="pagerduty", routing_key_env="KEY"), "d", payload)
    deliver(webhook(receiver, format="slack"), "d", payload)
    (_, pager, _), (_, chat, _) = receiver.taken
    actions = {"opened": "trigger", "acknowledged": "acknowledge", "closed": "resolve"}
    assert (pager["event_action"], pager["dedup_key"], pager["routing_key"]) == (actions[news], "harm-1", "k")
    assert pager["payload"]["severity"] == "critical"
    assert chat == {"text": f"Floe: harm to a patient, clinic C1 ({news}) <{PAYLOAD['link']}|open>"}


def test_a_redirect_is_not_followed(receiver):
    """Nobody set the other address."""
    receiver.answers = [302]
    with pytest.raises(Undelivered, match="302"):
        deliver(webhook(receiver), "d", PAYLOAD)


def test_nothing_is_lost_or_out_of_order_while_a_receiver_is_down(tmp_path, receiver):
    """Down, then refusing one of two subjects, then well: each once, a subject's in their order."""
    path, sink = tmp_path / "book", webhook(receiver)
    with Book(path) as book:
        for k in range(6):
            book.put("hook", f"d{k}", PAYLOAD | {"n": k}, in_order_of=f"alert-{k % 2}", now=NOW)
        book.put("hook", "d0", PAYLOAD, in_order_of="alert-0", now=NOW)  # the same again is not put twice
    receiver.stop()
    sent(path, sink, times=3)
    assert receiver.taken == []
    receiver.start()
    receiver.answers = [500]  # the first of one subject is refused: the other's go on
    sent(path, sink)
    assert [delivery for delivery, *_ in receiver.taken] == ["d1"]
    sent(path, sink, times=4)
    taken = [delivery for delivery, *_ in receiver.taken]
    assert sorted(taken) == [f"d{k}" for k in range(6)]
    assert [d for d in taken if d in ("d0", "d2", "d4")] == ["d0", "d2", "d4"]
    assert [d for d in taken if d in ("d1", "d3", "d5")] == ["d1", "d3", "d5"]


def test_a_sender_that_dies_between_sending_and_noting_sends_again_under_the_same_id(tmp_path, receiver):
    """The receiver that keeps a list by id has it once."""
    path, sink = tmp_path / "book", webhook(receiver)
    with Book(path) as book:
        book.put("hook", "d0", PAYLOAD, in_order_of="a", now=NOW)
        deliver(sink, "d0", book.due("hook", now=NOW)[0]["payload"])
    sent(path, sink)
    assert [delivery for delivery, *_ in receiver.taken] == ["d0", "d0"]


def test_the_wait_grows_to_five_minutes():
    """And no further, however long the receiver is down."""
    assert [sender.waiting_s(k) for k in (0, 1, 4, 20, 5000)] == [1, 2, 16, 300, 300]


def test_the_thread_delivers_and_says_when_it_can_not(tmp_path, receiver):
    """Once when it begins to fail, once when it is well again."""
    path, sink, stop, said = tmp_path / "book", webhook(receiver), threading.Event(), []
    receiver.answers = [503]
    with Book(path) as book:
        book.put("hook", "d0", PAYLOAD, in_order_of="a", now=datetime.now(UTC))
    thread = sender.start(path, "hook", sender.to_sink(sink), stop=stop, say=said.append)
    deadline = threading.Event()
    for _ in range(100):
        if receiver.taken and len(said) == 2:
            break
        deadline.wait(0.1)
    stop.set()
    thread.join()
    assert [delivery for delivery, *_ in receiver.taken] == ["d0"]
    assert ["wait" in said[0], "again" in said[1]] == [True, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[sinks]]\nname = 'a'\nkind = 'fax'", "sinks"),
        ("[[sinks]]\nname = 'a'\nkind = 'webhook'\nurl = 'ftp://x'", "sinks"),
        ("[rota]\nduty_clinician = ['nobody']", "nobody"),
        ("[rules.no_such_rule]\ntold = 'x'", "no_such_rule"),
        ("not toml", "TOML"),
    ],
)
def test_a_file_of_duties_that_is_wrong_is_refused_in_one_sentence(tmp_path, text, message):
    """What was found and where."""
    path = tmp_path / "duty.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_duty(str(path))


def test_an_absent_file_is_said(tmp_path):
    """By its path."""
    with pytest.raises(UsageError, match=r"absent\.toml"):
        read_duty(str(tmp_path / "absent.toml"))
