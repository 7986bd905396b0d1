"""What holds for the project as a whole: names, layers, rules of the house.

Here: checks over the source tree. Not here: behaviour.
"""

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("orchestration", "dashboards", "ingest", "transforms")
MODULES = [p for room in ROOMS for p in sorted((ROOT / room).rglob("*.py"))]


def test_no_other_distribution_owns_the_rooms_names():
    """The rooms' names are generic: an installed distribution of the same name would shadow them."""
    owners = importlib.metadata.packages_distributions()
    assert {room: set(owners.get(room, [])) - {"floe"} for room in ROOMS} == {room: set() for room in ROOMS}


def test_arrows_between_rooms_point_down():
    """A room may use only those below it (import-linter's contract in pyproject.toml)."""
    found = subprocess.run([sys.prefix + "/bin/lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_style():
    """The source is as ruff wants it."""
    command = [sys.prefix + "/bin/ruff", "check", *ROOMS, "tests"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_module_says_what_belongs_in_it(path):
    """Every module opens with what belongs in it and what does not."""
    text = path.read_text()
    assert text.startswith('"""')
    docstring = " ".join(text.split('"""')[1].split())
    assert "Here:" in docstring
    assert "Not here:" in docstring or path.name == "__init__.py"


def test_the_lock_names_no_host():
    """A lock with addresses would bind the project to one registry."""
    assert "://" not in (ROOT / "requirements.lock").read_text()


@pytest.mark.parametrize(
    ("module", "owners"),
    [("duckdb", {"ingest/lake.py", "ingest/lake_in_memory.py"}), ("kafka", {"ingest/stream.py"})],
)
def test_few_files_own_each_part(module, owners):
    """Only one file opens the lake and one a lake in memory, only one speaks Kafka."""
    assert {str(p.relative_to(ROOT)) for p in MODULES if module in _imported(p)} == owners


def _imported(path: Path) -> set[str]:
    """The top-level packages that the module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names
