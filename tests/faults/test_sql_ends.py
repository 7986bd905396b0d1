"""`floe sql` ends: by its time, by Ctrl-C, by SIGTERM, wherever in DuckDB it is.

Here: the verb as a process of its own. Not here: the limits one by one
(tests/ingest/test_lake_limits.py).
"""

import signal
import subprocess
import sys
import time

import pytest

STUCK = (
    "SELECT levenshtein(repeat('a', 400000), repeat('b', 400000))"  # minutes inside one function
)
ENDLESS = "SELECT max(hash(range)) FROM range(1000000000000)"


@pytest.mark.parametrize("statement", [STUCK, ENDLESS], ids=["stuck", "endless"])
@pytest.mark.parametrize(
    ("sent", "code", "says"),
    [
        (None, 2, "runs for more than 1 s"),
        (signal.SIGINT, 1, "only reads"),
        (signal.SIGTERM, 1, "only reads"),
    ],
    ids=["time", "Ctrl-C", "SIGTERM"],
)
def test_the_verb_ends(with_lake, tmp_path, statement, sent, code, says):
    """`floe sql` ends soon, with one sentence, by its time or by a signal, also inside a function
    that never looks up.
    """
    home = with_lake(tmp_path / "home")
    program = [sys.executable, "-m", "orchestration.cli", "sql", statement]
    environment = {
        "FLOE_HOME": str(home),
        "FLOE_SQL_TIME_S": "300" if sent else "1",
        "PATH": "/usr/bin:/bin",
    }
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as verb:
        if sent:
            time.sleep(8)
            verb.send_signal(sent)
        out, err = verb.communicate(timeout=60)
    assert (verb.returncode, out) == (code, "")
    assert says in err
    assert err.count("\n") == 1
