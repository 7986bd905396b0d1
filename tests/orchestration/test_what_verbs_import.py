"""A command starts at once: what it imports is what it uses.

Here: the libraries that each verb's module may take in, for a second of them is a second of every
call. Not here: what the verbs do (test_cli.py).
"""

import json
import subprocess
import sys

import pytest

_LIBRARIES = {
    "dagster",
    "dash",
    "duckdb",
    "kafka",
    "numpy",
    "plotly",
    "polars",
    "pyarrow",
    "pydantic_settings",
    "scipy",
}
_FOR_OPTIONS_AND_TABLES = {"pydantic", "rich"}
_ASKED = """
import contextlib, io, sys
from orchestration.cli import main
sys.argv = ["floe", {word!r}]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main()
"""
_LISTED = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def _imported(statement: str, among: set[str] = _LIBRARIES) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{_LISTED}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return among & set(json.loads(run.stdout))


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("orchestration.cli", set()),
        ("ingest.settings", {"pydantic_settings"}),
        ("orchestration.answers", {"duckdb", "polars"}),
        ("orchestration.rejects", {"duckdb", "polars"}),
        ("orchestration.alerts", {"duckdb", "polars"}),
        ("orchestration.status", {"duckdb", "polars", "kafka"}),
        ("orchestration.proving", {"duckdb", "polars", "kafka"}),
    ],
)
def test_a_verb_imports_what_it_uses(module, expected):
    """Help takes in none of them; what looks at the lake no Kafka, Dagster or statistics but where
    it asks them.
    """
    assert _imported(f"import {module}") == expected


@pytest.mark.parametrize("word", ["--help", "melt", "rejectz"])
def test_help_and_a_wrong_verb_import_no_library(word):
    """Help is printed plainly, and a wrong verb is said before any option is converted."""
    heavy = _LIBRARIES | _FOR_OPTIONS_AND_TABLES
    assert _imported(_ASKED.format(word=word), heavy) == set()
