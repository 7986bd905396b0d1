"""What the tests of `../shared/data/faults` share: a file's records, as every table that comes of
them.

Here: the fixtures. Not here: how they are computed (tests/computed.py), what a file must show.
"""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from ingest.importers import ndjson
from tests.computed import computed as all_tables

FAULTS = Path(__file__).parents[2].parent / "shared" / "data" / "faults"
LANDED = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def fault_file():
    """The path of a file of faults; the test is skipped, saying so, where they are absent."""

    def path(name: str) -> Path:
        if not (FAULTS / name).is_file():
            pytest.skip(f"../shared/data/faults/{name} beside the project is absent")
        return FAULTS / name

    return path


@pytest.fixture(scope="session")
def computed():
    """Records (topic, key, value) to every table: `tables` by full name, as `floe materialize`
    computes them.
    """
    return lambda records: SimpleNamespace(tables=all_tables(records, landed=LANDED))


@pytest.fixture(scope="session")
def replayed(fault_file, computed):
    """The same of a file of NDJSON."""
    return lambda name: computed(ndjson.replay([fault_file(name)]))
