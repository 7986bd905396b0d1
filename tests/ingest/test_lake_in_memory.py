"""A lake in memory gives the same tables of core whatever it held before, and runs no statement
twice for nothing.
"""

from datetime import UTC, datetime

import pytest

from ingest.contract import encode
from ingest.lake_in_memory import MemoryLake
from ingest.simulate import Plan, simulate
from tests.computed import OPTIONS, decoded

LANDED = datetime(2026, 4, 1, tzinfo=UTC)
PLAN = Plan(clinics=3, patients=6, days=40, seed=5, with_readings=False, conflicts_share=0.05)


@pytest.fixture(scope="module")
def raw() -> dict:
    return decoded(list(simulate(PLAN)), LANDED)[0]


def test_what_was_there_before_changes_nothing(raw):
    """All, then nothing, then the sessions' half, then all again: each as in a lake that was
    empty.
    """
    half = {
        name: rows.head(rows.height // 2) if name == "sessions" else rows
        for name, rows in raw.items()
    }
    with MemoryLake() as used:
        for held in (raw, {}, half, raw):
            used.land(held)
            with MemoryLake() as fresh:
                fresh.land(held)
                expected = fresh.compute(options=OPTIONS)
            found = used.compute(options=OPTIONS)
            assert [name for name in expected if not found[name].equals(expected[name])] == []


def test_a_statement_is_run_again_once_a_table_that_it_names_has_changed():
    """Rows appended are seen by what was computed before they were there."""
    clinics = {"clinic_id": "C1", "timezone": "UTC"}
    with MemoryLake() as lake:
        assert lake.compute(["clinics"], options=OPTIONS)["clinics"].is_empty()
        lake.append("clinics", _rows("clinics", clinics))
        assert lake.compute(["clinics"], options=OPTIONS)["clinics"]["clinic_id"].to_list() == [
            "C1"
        ]


def test_what_empty_tables_give_is_of_empty_tables_alone():
    """Of two lakes that are asked alike, the empty one gives nothing and the other its rows, whoever
    is asked first.
    """
    filled = {"clinics": _rows("clinics", {"clinic_id": "C1", "timezone": "UTC"})}
    for order in ([{}, filled], [filled, {}, filled]):
        for held in order:
            with MemoryLake() as lake:
                lake.land(held)
                found = lake.compute(["identities", "clinics"], options=OPTIONS)
            assert found["clinics"].height == len(held)


def _rows(name: str, data: dict):
    topic = f"floe.{name}.v1"
    return decoded([(topic, b"k", encode(topic, data, id="e", source="/t", time=LANDED))], LANDED)[
        0
    ][name]
