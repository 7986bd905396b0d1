"""What holds for the project as a whole: names, layers, rules of the house.

Here: checks over the source tree. Not here: behaviour.
"""

import ast
import importlib.metadata
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from pathlib import Path

import pytest

from tests.planted_mistakes import MISTAKES

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


_MODULE = re.compile(r"(?<![\w*])[\w/.-]*\w\.py\b")
_STANDS_FOR = re.compile(r"\b[A-Z]{2,}\b")  # a folder or file of any name: NAME.py
_OF_OTHERS = {"tests/test_rates_poisson.py", "tests/test_survfunc.py"}  # of statsmodels


def _prose(path: Path) -> str:
    """What people read in a file: of a module its docstrings and comments."""
    text = path.read_text()
    if path.suffix != ".py":
        return text
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    return "\n".join([*comments, *(ast.get_docstring(node) or "" for node in nodes)])


def gone_modules(text: str, *, near: Path, paths: set[Path]) -> set[str]:
    """Names of modules in the text that are no module: by the end of its path, or from the folder
    of the file that names it.
    """
    ends = {"/".join(path.parts[k:]) for path in paths for k in range(len(path.parts))}
    return {
        name
        for name in _MODULE.findall(text)
        if not _STANDS_FOR.search(name) and name not in _OF_OTHERS and name not in ends
        if not (ROOT / near.parent / name).resolve().is_relative_to(ROOT)
        or (ROOT / near.parent / name).resolve().relative_to(ROOT) not in paths
    }


SOURCES = [
    path.relative_to(ROOT)
    for folder in (*ROOMS, "tests", "docs")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".md")
] + [Path("README.md")]


def test_every_module_that_is_named_is_there():
    """A docstring, a comment or a document that names a module names one that there is: who moves
    or renames a file is told where it was named.
    """
    gone = {
        str(path): names
        for path in SOURCES
        if (names := gone_modules(_prose(ROOT / path), near=path, paths=set(SOURCES)))
    }
    assert gone == {}


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("Not here: printing (printing.py), rules (rules/safety.py, ../status.py).", set()),
        ("Not here: printing (console.py).", {"console.py"}),
        ("transforms/rules/exposures.py says which", {"transforms/rules/exposures.py"}),
        ("../rules/safety.py", {"../rules/safety.py"}),
        ("`transforms/marts/NAME.py`, one a mart", set()),
    ],
)
def test_a_module_that_is_gone_is_seen(text, gone):
    """Planted in a module of verbs."""
    near = Path("orchestration/verbs/asking.py")
    assert gone_modules(text, near=near, paths=set(SOURCES)) == gone


def private_imports(source: str) -> set[str]:
    """Names of another module's own that a module imports."""
    nodes = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ImportFrom)]
    names = {alias.name for node in nodes for alias in node.names}
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


def test_what_two_modules_share_has_a_public_name():
    """What is another module's own may change without a word to whoever imports it."""
    shared = {str(p.relative_to(ROOT)): private_imports(p.read_text()) for p in MODULES}
    assert {path: names for path, names in shared.items() if names} == {}


def test_a_private_name_that_is_imported_is_seen():
    """Planted."""
    assert private_imports("from .care import _FROM_TIME_AT_RISK, Metric") == {"_FROM_TIME_AT_RISK"}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what)
def test_a_mistake_can_be_planted(mistake):
    """The line that `make planted` spoils stands once where it is looked for, and so does its test."""
    assert (ROOT / mistake.file).read_text(encoding="utf-8").count(mistake.right) == 1
    assert mistake.right != mistake.wrong
    assert (ROOT / mistake.stopped_by).is_file()


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
