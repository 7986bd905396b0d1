"""Every row of the methods' reference numbers is reproduced by a test that names it."""

import re
from pathlib import Path

import pytest

_METHODS = Path(__file__).parents[3] / "shared" / "methods.md"
_NAMED = re.compile(r"\breferences? (\d+)(?:(?: to (\d+))|(?: and (\d+)))?", re.IGNORECASE)


def named_rows(folder: Path) -> set[int]:
    """The numbers after "Reference" or "References" in the test files: one, a pair, or a range."""
    found = set()
    for path in folder.rglob("test_*.py"):
        for first, last, other in _NAMED.findall(path.read_text()):
            found |= set(range(int(first), int(last or first) + 1)) | (
                {int(other)} if other else set()
            )
    return found


def test_each_row_has_a_test_that_names_it():
    """The table's numbers, less those that "Reference n" in a test's docstring claims; 40 is the
    FHIR sample's.
    """
    if not _METHODS.exists():
        pytest.skip("../shared/methods.md is not here")
    table = _METHODS.read_text().split("## Reference numbers")[1]
    rows = {int(n) for n in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert len(rows) > 25
    assert rows - named_rows(Path(__file__).parents[1]) <= {40}
