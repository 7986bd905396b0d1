"""A watcher as it runs: one a home, a look that fails is said and taken again, and nothing that
landed meanwhile is lost.

Here: `run` in a thread, on a real lake and book. Not here: a process that is killed (tests/faults).
"""

import shutil
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pkgutil import resolve_name as resolve

import pytest

from ingest.alerting import beat
from ingest.alerting.book import Book
from ingest.alerting.book_file import book_path
from ingest.alerting.watch import run
from ingest.lake import Lake
from ingest.settings import Settings
from tests.alert_site import HOME, Site, burn
from transforms.errors import DiskFull, FloeError

WAIT_S = 60


@pytest.fixture
def site(tmp_path, with_lake):
    settings = Settings(
        home=with_lake(tmp_path), catalog="", data="", kafka_bootstrap="127.0.0.1:9"
    )
    with Lake.open(settings) as lake:
        site = Site(settings, lake)
        site.watcher.__exit__()
        site.now = datetime.now(UTC)
        site.land(*HOME)
        yield site


@contextmanager
def watching(site: Site):
    """What the watcher says."""
    said, stop = [], threading.Event()
    thread = threading.Thread(
        target=run, args=(site.settings,), kwargs={"stop": stop, "say": said.append}
    )
    thread.start()
    try:
        yield said
    finally:
        stop.set()
        thread.join(WAIT_S)
        assert not thread.is_alive()


def wait(what) -> None:
    until = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < until
        time.sleep(0.1)


def alerts(site: Site) -> list[str]:
    with Book(book_path(site.settings)) as book:
        return [alert["subject_id"] for alert in book.alerts("rule = 'harm'")]


def test_one_watcher_a_home(site):
    """A second is refused with the first's process; two would each tell."""
    with (
        beat.only_watcher(site.settings),
        pytest.raises(FloeError, match=r"another watcher.*\(process \d+\)"),
    ):
        run(site.settings, stop=threading.Event())


def test_a_look_that_fails_is_said_and_taken_again(site):
    """A book that is none: said on the terminal and in the sign of life; once it is mended, what
    landed since is told.
    """
    site.land(burn(onset_at=site.now))
    with watching(site) as said:
        wait(lambda: alerts(site) == ["E1"])
        assert beat.watcher_fault(site.settings) is None
        with Book(book_path(site.settings)) as book:
            book._db.execute("ALTER TABLE alerts RENAME TO away")
        site.land(burn(ae_id="E2", onset_at=site.now))
        wait(lambda: "can't look" in (beat.watcher_fault(site.settings) or ""))
        with Book(book_path(site.settings)) as book:
            book._db.executescript("DROP TABLE alerts; ALTER TABLE away RENAME TO alerts")
        wait(lambda: sorted(alerts(site)) == ["E1", "E2"])
        wait(lambda: beat.watcher_fault(site.settings) is None)
    assert any("a look failed" in sentence for sentence in said)


@pytest.mark.parametrize("is_damaged", [True, False])
def test_a_book_that_is_damaged_or_moved_away_is_made_again(site, is_damaged):
    """One sentence says what to do; once the book is moved away, from under a watcher too, what
    landed is told.
    """
    path = book_path(site.settings)
    site.land(burn(onset_at=site.now))
    if is_damaged:
        path.write_bytes(b"no database" * 100)
    with watching(site) as said:
        if is_damaged:
            wait(lambda: "move it away" in (beat.watcher_fault(site.settings) or ""))
            assert any("move it away" in sentence for sentence in said)
        else:
            wait(lambda: alerts(site) == ["E1"])
        path.rename(path.with_name("away"))
        wait(lambda: path.exists() and alerts(site) == ["E1"])
        wait(lambda: beat.watcher_fault(site.settings) is None)
        site.land(burn(ae_id="E2", onset_at=site.now))
        wait(lambda: sorted(alerts(site)) == ["E1", "E2"])
    assert not any("Traceback" in sentence for sentence in said)


def test_a_sign_of_life_grows_old(site):
    """A watcher that froze or went is not well; nor is another process's sign this one's."""
    assert beat.watcher_fault(site.settings) == "no watcher of alerts has run in this home"
    beat.write_beat(site.settings)
    later = datetime.now(UTC) + timedelta(minutes=2)
    assert beat.watcher_fault(site.settings) is None
    assert "has not reported" in beat.watcher_fault(site.settings, now=later)
    assert not beat.watcher_reports(site.settings, 1)


def test_it_shows_signs_of_life_from_within_a_long_start_and_a_long_look(site, monkeypatch):
    """A beat a partition taken in, a beat a part of a look: before, none from the start to the end
    of the first look, and floe up killed a slow start again and again. Nine burns of nine patients,
    three a part, are three parts.
    """
    monkeypatch.setattr("ingest.alerting.beat._BEAT_S", 0.0)
    monkeypatch.setattr("ingest.alerting.parts._MOST_PATIENTS", 3)
    monkeypatch.setattr("ingest.alerting.kept._MOST_ROWS", 4)
    beats = []
    monkeypatch.setattr(beat, "write_beat", lambda *_, **__: beats.append("beat"))
    for module, name in (("kept", "Kept._take"), ("watcher", "look")):
        target = f"ingest.alerting.{module}.{name}"
        monkeypatch.setattr(target, noting(beats, name, resolve(target)))
    site.land(*(burn(ae_id=f"E{k}", patient_id=f"P{k}", onset_at=site.now) for k in range(9)))
    site.restart()
    site.look()
    assert {"Kept._take", "look"} < set(beats)
    assert beats.count("look") == 3
    silences = [after for before, after in pairwise(beats) if before != "beat" and after != "beat"]
    assert silences == []


def noting(seen: list[str], name: str, function):
    def noted(*args, **options):
        result = function(*args, **options)
        seen.append(name)
        return result

    return noted


def test_a_lake_that_goes_back_is_read_anew(site):
    """An older copy in its place: its Kafka's records land again and are told to nobody twice, what
    follows is told.
    """
    topic = "floe.adverse_events.v1"
    site.land(burn(onset_at=site.now))
    site.land(burn(ae_id="E2", onset_at=site.now))
    with watching(site) as said:
        wait(lambda: sorted(alerts(site)) == ["E1", "E2"])
        of_topic = f"WHERE kafka_topic = '{topic}'"
        back = (
            f"DELETE FROM raw.adverse_events {of_topic} AND kafka_offset = 1",
            f"DELETE FROM raw.ledger {of_topic} AND first_position = 1",
            f"UPDATE raw.stream_offsets SET next_offset = 1 {of_topic}",
        )
        site.lake.write(lambda writer: [writer.execute(statement) for statement in back])
        wait(lambda: any("went back to an earlier state" in text for text in said))
        site._positions[topic, "T"] = 1
        site.land(
            (*burn(ae_id="E2", onset_at=site.now), "e5")
        )  # its own event id: HOME and E1 took four
        site.land(burn(ae_id="E3", onset_at=site.now))
        wait(lambda: sorted(alerts(site)) == ["E1", "E2", "E3"])
        with Book(book_path(site.settings)) as book:
            assert [alert["revision"] for alert in book.alerts("rule = 'harm'")] == [0, 0, 0]


def test_a_full_disk_ends_the_watcher_and_what_landed_is_told_once_there_is_room(tmp_path):
    """DiskFull, in a sentence that names the book; the next start tells of what landed
    meanwhile.
    """
    small = tmp_path / "small"
    small.mkdir()
    mount = shutil.which("mount")
    command = [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)]
    if not mount or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small file system can't be mounted here (not root)")
    try:
        catalog, data = f"sqlite:{tmp_path / 'lake.sqlite'}", f"{tmp_path / 'data'}/"
        settings = Settings(home=small, catalog=catalog, data=data, kafka_bootstrap="127.0.0.1:9")
        with Lake.open(settings) as lake:
            site = Site(settings, lake)
            site.watcher.__exit__()
            site.now = datetime.now(UTC)
            site.land(*HOME)
            filler = small / "filler"
            with suppress(OSError), filler.open("wb") as file:
                while True:
                    file.write(bytes(4096))
                    file.flush()
            site.land(burn(onset_at=site.now))
            with pytest.raises(
                DiskFull, match=r"no space is left for the book of alerts .*alerts\.sqlite"
            ):
                run(settings, stop=threading.Event())
            filler.unlink()
            with watching(site):
                wait(lambda: alerts(site) == ["E1"])
    finally:
        subprocess.run(["umount", str(small)], check=True)
