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
_LISTED = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def _imported(statement: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", f"{statement}; {_LISTED}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return _LIBRARIES & set(json.loads(run.stdout))


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("orchestration.cli", set()),
        ("ingest.settings", {"pydantic_settings"}),
        ("orchestration.answers", {"duckdb", "polars"}),
        ("orchestration.rejects", {"duckdb", "polars"}),
        ("orchestration.alerts", {"duckdb", "polars"}),
        ("orchestration.status", {"duckdb", "polars", "kafka", "numpy"}),
        ("orchestration.proving", {"duckdb", "polars", "kafka", "numpy"}),
    ],
)
def test_a_verb_imports_what_it_uses(module, expected):
    """Help takes in none of them; what looks at the lake no Kafka, Dagster or statistics but where
    it asks them.
    """
    assert _imported(f"import {module}") == expected
