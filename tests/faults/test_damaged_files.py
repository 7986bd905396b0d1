"""A file that is gone, empty, cut short or flipped: named, with what it held, and landed again from
a real Kafka.
"""

from uuid import uuid4

import polars as pl
import pytest

from ingest import stream, worker
from ingest.contract import encode
from ingest.lake import Lake
from ingest.lake_catalog import named_files
from ingest.lake_damage import sentences
from ingest.landing_again import mend
from orchestration.proving import verify_lake
from transforms.errors import LakeDamaged

TOPIC = "floe.sessions.v1"
TIME = "2026-02-01T10:00:00+01:00"
LANDINGS, RECORDS = 4, 60


@pytest.fixture
def settings(broker, tmp_path):
    """A lake of 4 landings of 60 records, every tenth of which can't be read."""
    stream.ensure_topics(broker)
    settings = broker.model_copy(update={"home": tmp_path})
    worker.run(settings, drain=True)  # what other tests left
    source = f"/damage/{uuid4().hex}"
    for landing in range(LANDINGS):
        numbers = range(landing * RECORDS, (landing + 1) * RECORDS)
        stream.publish(settings, [(TOPIC, b"p", record(source, k)) for k in numbers])
        worker.run(settings, drain=True)
    return settings


def record(source: str, number: int) -> bytes:
    if number % 10 == 9:
        return b"{broken"
    data = {
        "session_id": f"s{number}",
        "patient_id": "p",
        "clinic_id": "c",
        "modality": "local",
        "started_at": TIME,
    }
    return encode(TOPIC, data, id=str(number), source=source, time=TIME)


def flip(path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


HARM = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "short": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "flipped": flip,
}


def files(settings, table: str) -> list:
    return sorted((settings.home / "lake" / "data" / "raw" / table).glob("*.parquet"))


def content(settings) -> dict[str, pl.DataFrame]:
    with Lake.open(settings, read_only=True) as lake:
        return {
            name: lake.table(f"raw.{name}").sort(pl.all())
            for name in ("sessions", "rejects", "stream_offsets")
        }


@pytest.mark.timeout(600)
@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_file_is_named_and_landed_again(settings, harm):
    """Before: nothing said so. Now a file of 54 sessions is named with its positions; the lake is
    afterwards what it was, row by row, the ledger says when that was done, and all proofs hold.
    """
    before = content(settings)
    damaged = files(settings, "sessions")[-3]
    HARM[harm](damaged)
    told = [sentence for is_true, sentence in verify_lake(settings, deep=True) if is_true is False]
    assert any(
        damaged.name in s and "raw.sessions" in s and f"{TOPIC}/" in s and "floe mend" in s
        for s in told
    )
    mended = mend(settings)
    assert (mended.files, mended.batches, mended.rows, mended.rejects) == (1, 1, 54, 6)
    after = content(settings)
    for name, frame in before.items():
        assert after[name].equals(frame), name
    with Lake.open(settings) as lake:
        assert (
            lake.sql("SELECT count(*) FROM raw.ledger WHERE landed_again_at IS NOT NULL").item()
            == 1
        )
        assert [is_true for is_true, _ in sentences(lake.check_files())] == [True, None]
        lake.upkeep()
        worker.run(settings, drain=True)
    assert False not in [is_true for is_true, _ in verify_lake(settings, deep=True)]
    assert mend(settings).batches == 0


@pytest.mark.timeout(600)
def test_after_a_merge_and_of_rejects_too(settings):
    """One file of all 4 landings, and that of the rejects, both gone: all 240 records come back,
    each once.
    """
    with Lake.open(settings) as lake:
        lake.upkeep()
    before = content(settings)
    with Lake.open(settings) as lake:
        named = {file.path for file in lake._on_cursor(_current)}
    for path in named:
        if "/sessions/" in path or "/rejects/" in path:
            (settings.home / "lake" / "data" / path).unlink()
    mended = mend(settings)
    assert (mended.rows, mended.rejects) == (before["sessions"].height, before["rejects"].height)
    assert before["sessions"].height >= 216
    after = content(settings)
    assert after["sessions"].equals(before["sessions"])
    assert after["rejects"].equals(before["rejects"])


def _current(cursor):
    return [file for file in named_files(cursor) if file.is_current]


@pytest.mark.timeout(600)
def test_what_kafka_does_not_hold_any_more_is_said(settings):
    """Kafka's records are others, or gone: that is named, nothing else is landed in their place,
    and the rest comes back.
    """
    before = content(settings)
    for path in files(settings, "sessions")[-4:-2]:
        path.unlink()
    first = f"(SELECT first_position FROM raw.ledger WHERE kafka_topic = '{TOPIC}' ORDER BY landed_at DESC LIMIT 1 OFFSET 3)"
    with Lake.open(settings) as lake:
        changed = f"UPDATE raw.ledger SET checksum = 'other' WHERE kafka_topic = '{TOPIC}' AND first_position = {first}"
        lake.write(lambda writer: writer.execute(changed))
    with pytest.raises(LakeDamaged, match="hold other records in Kafka now"):
        mend(settings)
    assert content(settings)["sessions"].height == before["sessions"].height - 54
