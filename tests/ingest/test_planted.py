"""What the simulator planted is what the rules of alerts find: none missed, none without a
cause.
"""

from collections import Counter
from datetime import UTC, datetime

import pytest

from ingest.lake_in_memory import MemoryLake
from ingest.simulate import Plan, simulate
from ingest.simulate.planted import planted
from tests.computed import OPTIONS, decoded
from transforms.alerting.judging import TABLES, of_core

LANDED = datetime(2026, 6, 1, tzinfo=UTC)
PLAN = Plan(clinics=4, patients=60, days=60, seed=5, with_readings=False)


@pytest.fixture(scope="module")
def causes() -> tuple[set, list]:
    """The ledger, and (rule, record, clinic) of the causes that core shows."""
    simulation = simulate(PLAN)
    raw, _ = decoded(list(simulation), LANDED)
    with MemoryLake() as lake:
        lake.land(raw)
        rows = of_core(lake.compute(TABLES, options=OPTIONS), options=OPTIONS)
    return planted(simulation.truth), rows.select("rule", "subject_id", "clinic_id").rows()


def test_each_cause_planted_is_there_and_no_other(causes):
    """By rule, record and clinic; what a correction took out again need not be there."""
    ledger, rows = causes
    rules = {cause.rule for cause in ledger}
    there = {
        (rule, record.removeprefix(f"{clinic}:"), clinic)
        for rule, record, clinic in rows
        if rule in rules
    }
    stands = {cause[:3] for cause in ledger if cause.stands}
    assert stands - there == set()
    assert there - {cause[:3] for cause in ledger} == set()


def test_the_ledger_is_not_empty_by_mistake(causes):
    """Harm, clearance, a contraindication, a limit of the cabin, of time and of oxygen, a device
    and an incident.
    """
    found = Counter(cause.rule for cause in causes[0])
    expected = {
        "harm",
        "session_without_clearance",
        "session_contraindicated",
        "cabin_too_cold",
        "exposure_too_long",
    }
    assert expected | {"oxygen_too_low", "device_deficiency", "incident"} <= set(found)
