"""Deliveries: every one reaches its receiver, in order by subject, under one id however often it is
sent.

Here: order and patience with a real HTTP receiver that is down, refuses and comes back; files; the
file of duties. Not here: what is put in the book (test_watcher.py), webhooks (test_webhook.py) and
mail (test_mail.py) by themselves.
"""

import json
import os
import stat
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from ingest.alerting import sender
from ingest.alerting.book import Book
from ingest.alerting.duty import Duty, read_duty
from ingest.alerting.sinks import deliver
from ingest.alerting.undelivered import Undelivered
from ingest.alerting.waiting import waiting
from tests.receivers import PAYLOAD, Receiver
from transforms.errors import UsageError

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


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


def test_a_secret_that_is_not_set_is_said(receiver, monkeypatch):
    """Nothing leaves unsigned where a signature was asked for."""
    monkeypatch.delenv("HOOK_SECRET", raising=False)
    with pytest.raises(Undelivered, match="HOOK_SECRET"):
        deliver(webhook(receiver, secret_env="HOOK_SECRET"), "d", PAYLOAD)
    assert receiver.taken == []


def test_nothing_is_lost_or_out_of_order_while_a_receiver_is_down(tmp_path, receiver):
    """Down, then refusing one of two subjects, then well: each once, a subject's in their order."""
    path, sink = tmp_path / "book", webhook(receiver)
    with Book(path) as book:
        for k in range(6):
            book.put("hook", f"d{k}", PAYLOAD | {"n": k}, in_order_of=f"alert-{k % 2}", now=NOW)
        book.put(
            "hook", "d0", PAYLOAD, in_order_of="alert-0", now=NOW
        )  # the same again is not put twice
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


def test_a_sender_that_dies_between_sending_and_noting_sends_again_under_the_same_id(
    tmp_path, receiver
):
    """The receiver that keeps a list by id has it once."""
    path, sink = tmp_path / "book", webhook(receiver)
    with Book(path) as book:
        book.put("hook", "d0", PAYLOAD, in_order_of="a", now=NOW)
        deliver(sink, "d0", book.due("hook", now=NOW)[0]["payload"])
    sent(path, sink)
    assert [delivery for delivery, *_ in receiver.taken] == ["d0", "d0"]


def test_a_fault_of_one_delivery_does_not_end_the_thread(tmp_path, receiver):
    """What can't be said (here: a payload without a tier) waits; the next one of another alert is
    delivered.
    """
    path, sink = tmp_path / "book", webhook(receiver, format="pagerduty", routing_key_env="PATH")
    with Book(path) as book:
        book.put("hook", "bad", {"news": "opened"}, in_order_of="a", now=NOW)
        book.put("hook", "good", PAYLOAD, in_order_of="b", now=NOW)
    sent(path, sink)
    assert [delivery for delivery, *_ in receiver.taken] == ["good"]
    with Book(path) as book:
        assert "KeyError" in book.waiting()["hook"][1]


def test_a_receiver_that_asks_for_time_is_given_it(tmp_path, receiver):
    """429 and Retry-After hold back all of that sink for as long; an attempt counts and nothing is
    lost.
    """
    path, sink = tmp_path / "book", webhook(receiver)
    receiver.answers, receiver.headers = [429], {"Retry-After": "120"}
    with Book(path) as book:
        for k in range(2):
            book.put("hook", f"d{k}", PAYLOAD, in_order_of=f"a{k}", now=NOW)
        for delivery, error in sender.to_sink(sink)(book.due("hook", now=NOW)):
            sender.note(book, delivery, error, now=NOW)
        assert receiver.taken == []
        assert book.due("hook", now=NOW + timedelta(seconds=119)) == []
        assert len(book.due("hook", now=NOW + timedelta(seconds=120))) == 2


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


@contextmanager
def sending(path, sink):
    """The sender's thread on a book; what it says."""
    stop, said = threading.Event(), []
    thread = sender.start(path, sink.name, sender.to_sink(sink), stop=stop, say=said.append)
    try:
        yield said
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def wait(what) -> None:
    until = time.monotonic() + 30
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def put(path, name: str, **given) -> None:
    with Book(path) as book:
        book.put(
            "hook",
            name,
            PAYLOAD | given,
            in_order_of=given.get("alert_id", name),
            now=datetime.now(UTC),
        )


def damaged(path) -> None:
    path.write_bytes(b"no database " * 100)


def of_a_folder(path) -> None:
    path.mkdir()


def without_its_folder(path) -> None:
    path.parent.rmdir()


def mended(path) -> None:
    path.parent.mkdir(exist_ok=True)
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("broken", [damaged, of_a_folder, without_its_folder])
def test_a_book_that_can_not_be_opened_ends_no_sender(tmp_path, receiver, monkeypatch, broken):
    """It is said, once; when the book is mended, what it holds is delivered. Before, the thread was
    gone for good.
    """
    monkeypatch.setattr(sender, "_AFTER_A_FAULT_S", 0.05)
    (folder := tmp_path / "home").mkdir()
    path = folder / "alerts.sqlite"
    broken(path)
    with sending(path, webhook(receiver)) as said:
        wait(lambda: said)
        time.sleep(0.3)
        assert len(said) == 1
        mended(path)
        put(path, "d0")
        wait(lambda: receiver.taken)


@pytest.mark.parametrize("moved", ["deleted", "replaced", "kept its logs"])
def test_a_sender_follows_the_book_that_is_there(tmp_path, receiver, moved):
    """Deleted or replaced under it: what the new book holds is delivered, and no log of the old one
    is played into it.
    """
    path = tmp_path / "alerts.sqlite"
    put(path, "d0")
    with sending(path, webhook(receiver)), Book(path):
        wait(lambda: receiver.taken)
        for file in tmp_path.glob("alerts.sqlite*" if moved == "deleted" else "alerts.sqlite"):
            file.unlink()
        if moved == "replaced":
            put(tmp_path / "other", "d1")
            (tmp_path / "alerts.sqlite-wal").unlink()
            (tmp_path / "other").rename(path)
        else:
            put(path, "d1")
        wait(lambda: len(receiver.taken) == 2)
    assert [delivery for delivery, *_ in receiver.taken] == ["d0", "d1"]
    with Book(path) as book:
        assert [row["delivery_id"] for row in book._db.execute("SELECT * FROM deliveries")] == [
            "d1"
        ]


def test_a_terminal_that_is_gone_ends_no_sender(tmp_path, receiver):
    """What can't be said is not said; the delivery is made all the same."""
    path, stop = tmp_path / "book", threading.Event()
    receiver.answers = [500]
    put(path, "d0")

    def say(_: str) -> None:
        raise BrokenPipeError

    thread = sender.start(path, "hook", sender.to_sink(webhook(receiver)), stop=stop, say=say)
    wait(lambda: receiver.taken)
    stop.set()
    thread.join()


@pytest.mark.parametrize("status", [200, 500])
def test_now_overtakes_whatever_was_fetched_before(tmp_path, receiver, status):
    """Behind ten digests at a receiver that takes, or refuses, each slowly: harm is the next but
    one that it hears of.
    """
    path = tmp_path / "book"
    for k in range(10):
        put(path, f"digest-{k}", news="digest", tier="today")
    receiver.pause_s, receiver.answers = 0.3, [status] * 10
    with sending(path, webhook(receiver)):
        wait(lambda: receiver.paths)
        receiver.answers = []
        put(path, "harm")
        wait(lambda: any(delivery == "harm" for delivery, *_ in receiver.taken))
        assert len(receiver.paths) <= 3
        wait(lambda: len(receiver.taken) == 11)  # and the digests are told all the same


@pytest.mark.parametrize(
    ("waiting", "expected"),  # (id, subject, news, tier, attempts), in the order in which they came
    [
        ([("d", "C1", "digest", "today", 0), ("n", "A", "opened", "now", 0)], ["n", "d"]),
        ([("r", "A", "opened", "now", 3), ("n", "B", "raised", "now", 0)], ["n", "r"]),
        (
            [("a", "A", "acknowledged", "now", 0), ("n", "B", "unacknowledged", "now", 0)],
            ["n", "a"],
        ),
        ([("d", "C1", "digest", "today", 3), ("e", "C2", "digest", "today", 0)], ["e", "d"]),
        ([("x", "A", "opened", "today", 0), ("n", "B", "opened", "now", 3)], ["n", "x"]),
        # what stands before harm in its alert's order goes first, and at once, for harm waits for
        # it
        (
            [
                ("d", "C1", "digest", "today", 0),
                ("c", "A", "closed", "now", 3),
                ("n", "A", "opened_again", "now", 0),
            ],
            ["c", "n", "d"],
        ),
        ([("n", "A", "opened", "now", 0), ("m", "B", "opened", "now", 0)], ["n", "m"]),
    ],
)
def test_what_is_sent_first(tmp_path, waiting, expected):
    """Harm, untried before retried; then what was not tried; of one subject always in its order."""
    sent = []
    with Book(tmp_path / "book") as book:
        for name, subject, news, tier, attempts in waiting:
            book.put(
                "hook", name, PAYLOAD | {"news": news, "tier": tier}, in_order_of=subject, now=NOW
            )
            later = NOW + timedelta(minutes=5) if news == "closed" else NOW
            statement = "UPDATE deliveries SET attempts = ?, due_at = ? WHERE delivery_id = ?"
            book._db.execute(statement, (attempts, later.isoformat(timespec="microseconds"), name))
        while due := book.due("hook", now=NOW, most=1):
            sent.append(due[0]["delivery_id"])
            book.delivered(due[0]["number"], now=NOW)
    assert sent == expected


def test_ten_thousand_that_wait_slow_nothing_down(tmp_path):
    """What is due is known in a glance, as after a receiver was down for a night; by pairs it would
    be a minute.
    """
    with Book(tmp_path / "book") as book:
        with book.change():
            for k in range(10_000):
                book.put(
                    "hook",
                    f"d{k}",
                    PAYLOAD | {"news": "closed"},
                    in_order_of=f"a{k % 2_500}",
                    now=NOW,
                )
            book.put("hook", "harm", PAYLOAD, in_order_of="b", now=NOW)
        began = time.process_time()
        assert book.due("hook", now=NOW)[0]["delivery_id"] == "harm"
        assert len(waiting(book._db, now=NOW)) == 1
        assert time.process_time() - began < 2


def test_harm_of_thousands_at_once_is_put_in_the_book_at_once(tmp_path):
    """Each hurries what stands before it in its alert's order, and looks at that alone: by pairs,
    with three sinks, 10,000 took minutes.
    """
    with Book(tmp_path / "book") as book, book.change():
        began = time.process_time()
        for k in range(10_000):
            book.put("hook", f"d{k}", PAYLOAD, in_order_of=f"a{k}", now=NOW)
        assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[sinks]]\nname = 'a'\nkind = 'fax'", "sinks"),
        ("[[sinks]]\nname = 'a'\nkind = 'webhook'\nurl = 'ftp://x'", "sinks"),
        ("[rota]\nduty_clinician = ['nobody']", "nobody"),
        ("[rules.no_such_rule]\ntold = 'x'", "no_such_rule"),
        ("[rota]\nduty_clinican = []", "duty_clinican"),
        ("[[sinks]]\nname = 'a'\nkind = 'webhook'", "url_env"),
        (
            "[[sinks]]\nname = 'a'\nkind = 'webhook'\nurl = 'https://x'\nurl_env = 'X'",
            "one of the two",
        ),
        (
            "[[sinks]]\nname = 'a'\nkind = 'webhook'\nurl = 'https://u:geheim@x/'",
            "user and password",
        ),
        (
            "[[sinks]]\nname = 'a'\nkind = 'webhook'\nurl = \"https://x/a\\r\\nHost: y\"",
            "ASCII, without blanks",
        ),
        (
            "[[sinks]]\nname = 'a'\nkind = 'webhook'\nurl = 'https://x'\nformat = 'pagerduty'",
            "routing_key_env",
        ),
        ("[[sinks]]\nname = 'a'\nkind = 'webhook'\nurl = 'https://x'\ntiers = ['noted']", "tiers"),
        (
            "[[sinks]]\nname = 'a'\nkind = 'email'\nhost = 'h'\nsender = \"f@x\\r\\nBcc: e@y\"\nto = ['a@x']",
            "sender",
        ),
        (
            "[[sinks]]\nname = 'a'\nkind = 'email'\nhost = 'h'\nsender = 'f@x'\nto = ['a@x']\nusername = 'u'\n"
            "password_env = 'P'\nis_tls = 'none'",
            "without TLS",
        ),
        (
            "link = 'javascript:alert(1)'",
            "link: found 'javascript.*expected an address that begins with https",
        ),
        (
            "[[sink]]\nname = 'a'",
            "the file: found the setting 'sink', expected link, sinks, .*was sinks meant",
        ),
        ("[sinks]\nname = 'a'", r"expected a table \[\[sinks\]\]"),
        (
            "[[sinks]]\nname = 'a b'\nkind = 'file'\npath = 'x'",
            "'a b', name: found 'a b', expected 1 to 60 letters",
        ),
        (
            "[[sinks]]\nname = 'a'\nkind = 'file'\npaht = 'geheim'",
            "'a': found the setting 'paht', .*was path meant",
        ),
        (
            "[[sinks]]\nname = 'a'\nkind = 'file'\npath = 'x'\ntiers = []",
            "'a', tiers: .*at least one",
        ),
        (
            "[[sinks]]\nname = 'a'\nkind = 'file'\npath = ''",
            "'a', path: found '', expected the path",
        ),
        ("[[sinks]]\nname = 'a'\nkind = 'file'", "'a': found no path"),
        ("[[sinks]]\nkind = 'file'\npath = 'x'", "number 1: found no name"),
        ("[[sinks]]\nname = 'floe.alerts.v1'\nkind = 'file'\npath = 'x'", "as is the topic"),
        (
            "[[sinks]]\nname = 'a'\nkind = 'webhook'\nurl = ['geheim']",
            "'a', url: found something else",
        ),
        (
            "[[sinks]]\nname = 'a'\nkind = 'file'\npath = 'x'\n[rota]\noperator = ['a', 'a']",
            "names 'a' twice",
        ),
        (
            "[[sinks]]\nname = 'a'\nkind = 'email'\nhost = 'h'\nsender = 'f@x'\nto = ['a@x']\nport = 65536",
            "'a', port: found 65536, expected a whole number from 1 to 65,535",
        ),
        (
            "[rules.harm]\nacknowledge_min = 100000000000000",
            "acknowledge_min: found 1.*of minutes from 1 to 10,080",
        ),
        ("[rules.harm]\nacknowledge_min = true", "found true, expected a whole number"),
        ("[rules.harm]\ntold = ' '", "expected a role"),
        (
            "[clinics.C1]\nmorning = '7:30'",
            "clinics.C1.morning: found '7:30', expected hours and minutes",
        ),
        ("[clinics.C1]\nmorning = '07:30+02:00'", "of the clinic's own clock"),
        ("[clinics.C1]\nmorning = 7", "found 7, expected hours"),
        ("not toml", "TOML"),
    ],
)
def test_a_file_of_duties_that_is_wrong_is_refused_in_one_sentence(tmp_path, text, message):
    """What was found and where; never the address, which may hold a token."""
    path = tmp_path / "duty.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        read_duty(str(path))
    assert "geheim" not in str(caught.value)


def file_sink(path):
    return Duty.model_validate(
        {"sinks": [{"name": "list", "kind": "file", "path": str(path)}]}
    ).sinks[0]


def test_a_file_is_its_owners_alone_and_follows_its_name(tmp_path):
    """0600 whatever the umask; moved away (as logs are), it is made anew."""
    path, umask = tmp_path / "alerts.ndjson", os.umask(0)
    try:
        deliver(file_sink(path), "d1", PAYLOAD)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.rename(tmp_path / "alerts.ndjson.1")
    deliver(file_sink(path), "d2", PAYLOAD)
    assert json.loads(path.read_text()) == {"delivery_id": "d2", **PAYLOAD}


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path):
    """A disk that was full left half a line: the next begins on its own."""
    path = tmp_path / "alerts.ndjson"
    path.write_text('{"delivery_id": "d1", "ver')
    deliver(file_sink(path), "d1", PAYLOAD)
    _, whole = path.read_text().splitlines()
    assert json.loads(whole)["delivery_id"] == "d1"


@pytest.mark.parametrize("name", ["absent/alerts.ndjson", "folder", "pipe", "/dev/full"])
def test_a_file_that_can_not_be_written_is_said(tmp_path, name):
    """No folder, no file, a pipe that nobody reads, a full disk: none blocks, each is one
    sentence.
    """
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Undelivered, match="list"):
        deliver(file_sink(tmp_path / name), "d1", PAYLOAD)


def test_an_absent_file_is_said(tmp_path):
    """By its path."""
    with pytest.raises(UsageError, match=r"absent\.toml"):
        read_duty(str(tmp_path / "absent.toml"))
