"""What holds for the project as a whole: names, layers, rules of the house.

Here: checks over the source tree. Not here: behaviour.
"""

import ast
import importlib.metadata
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("orchestration", "dashboards", "ingest", "transforms")
MODULES = [p for room in ROOMS for p in sorted((ROOT / room).rglob("*.py"))]


def test_no_other_distribution_owns_the_rooms_names():
    """The rooms' names are generic: an installed distribution of the same name would shadow
    them.
    """
    owners = importlib.metadata.packages_distributions()
    assert {room: set(owners.get(room, [])) - {"floe"} for room in ROOMS} == {
        room: set() for room in ROOMS
    }


def test_arrows_between_rooms_point_down():
    """A room may use only those below it (import-linter's contract in pyproject.toml)."""
    found = subprocess.run(
        [sys.prefix + "/bin/lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
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
    [("duckdb", {"ingest/lake", "ingest/lake_in_memory.py"}), ("kafka", {"ingest/stream"})],
)
def test_one_place_owns_each_part(module, owners):
    """Only one folder opens the lake and one file a lake in memory, only one folder speaks Kafka."""
    importers = [p.relative_to(ROOT) for p in MODULES if module in _imported(p)]
    assert {str(Path(*path.parts[:2])) for path in importers} == owners


def _imported(path: Path) -> set[str]:
    """The top-level packages that the module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_nothing_is_dead():
    """What a module defines at its top is used in the product, or documented: as an interface or in
    the statistics library.
    """
    words = Counter(re.findall(r"\w+", "\n".join(path.read_text() for path in MODULES)))
    documented = set(re.findall(r"\w+", (ROOT / "docs" / "architecture.md").read_text()))
    unused = {
        (str(path.relative_to(ROOT)), name)
        for path in MODULES
        for name in _defined(path)
        if words[name] == 1
    }
    assert {(path, name) for path, name in unused if name not in documented} == set()


def _defined(path: Path) -> set[str]:
    """Names of functions, classes and constants at the module's top; what a decorator registers is
    used by it.
    """
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.decorator_list:
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names - {
        "__all__",
        "_ClosingSockets",
    }  # kafka-python finds the class by its base's register
