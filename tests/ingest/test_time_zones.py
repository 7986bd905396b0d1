"""Which names are time zones: what the libraries agree on, and what was meant by others."""

from datetime import UTC, datetime

import duckdb
import pytest

from ingest.decode import decode
from ingest.source import Batch
from ingest.time_zones import zone_named, zone_names
from transforms.errors import UsageError
from transforms.rules.local_time import is_zone


def test_every_name_is_a_zone_to_all_who_place_days():
    """polars and DuckDB know every name that is taken; no name that one of them alone knows is
    taken.
    """
    with duckdb.connect() as connection:
        of_duckdb = {
            name
            for (name,) in connection.execute("SELECT name FROM pg_timezone_names()").fetchall()
        }
    assert len(zone_names()) > 500
    assert zone_names() <= of_duckdb
    assert {name for name in zone_names() | of_duckdb if is_zone(name)} == zone_names()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("europe/berlin", "Europe/Berlin"),
        ("EUROPE/BERLIN", "Europe/Berlin"),
        (" Europe/Berlin", "Europe/Berlin"),
        ("America/New York", "America/New_York"),
        ("Berlin", "Europe/Berlin"),
        ("Europe/Berln", "Europe/Berlin"),
        ("utc", "UTC"),
        ("Mars/Phobos", None),
        ("PST", None),  # DuckDB's alone
        ("IST", None),  # India, Israel or Ireland
        ("+01:00", None),  # polars' alone
        ("UTC+1", None),  # Etc/GMT+1 lies on the other side
        ("GMT+1", None),
        ("Factory", None),
        ("localtime", None),
        ("SystemV/PST8", None),
        ("", None),
        (None, None),
    ],
)
def test_what_was_meant_by_what_is_no_name(name, meant):
    """Other capitals, a city or a slip of a letter lead to the name; what could be several leads to
    none.
    """
    with pytest.raises(UsageError) as caught:
        zone_named(name)
    expected = f"the IANA name {meant}" if meant else "an IANA name such as Europe/Berlin"
    assert f"found time zone {name!r}, expected {expected}" in str(caught.value)


def test_names_in_their_own_capitals_are_taken():
    """UTC and old names of places are names too."""
    for name in (
        "Europe/Berlin",
        "UTC",
        "Asia/Calcutta",
        "America/Argentina/Buenos_Aires",
        "Etc/GMT+1",
        "EST",
    ):
        assert zone_named(name) == name


def test_a_clinic_without_a_zone_of_its_own_is_set_aside():
    """At decode such a clinic is a reject, `bad_timezone`, with the name meant; a good one beside
    it lands.
    """
    event = (
        '{{"specversion": "1.0", "id": "{0}", "source": "s", "type": "floe.clinics.v1", "time": "2026-01-01T08:00:00Z", '
        '"data": {{"clinic_id": "{0}", "timezone": "{1}"}}}}'
    )
    zones = {"A": "europe/berlin", "B": "Mars/Phobos", "C": "Europe/Berlin", "D": "PST"}
    values = [event.format(clinic, zone).encode() for clinic, zone in zones.items()]
    batch = Batch("floe.clinics.v1", "T", 0, 0, 4, [0, 1, 2, 3], [None] * 4, values)
    decoded = decode(batch, ingested_at=datetime(2026, 1, 2, tzinfo=UTC))
    assert decoded.rows["clinic_id"].to_list() == ["C"]
    assert decoded.rejects.select("reason", "field").unique().rows() == [
        ("bad_timezone", "timezone")
    ]
    assert decoded.rejects["detail"].to_list() == [
        "found europe/berlin, expected the IANA name Europe/Berlin",
        "found Mars/Phobos, expected an IANA name such as Europe/Berlin, in its own capitals",
        "found PST, expected an IANA name such as Europe/Berlin, in its own capitals",
    ]
