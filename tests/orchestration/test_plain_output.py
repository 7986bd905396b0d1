"""Nothing that a verb prints acts: on a terminal, in a spreadsheet, in JSON.

Here: the verbs with awkward answers, files and settings. Not here: which character is written how
(tests/transforms/test_plain_text.py).
"""

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AWKWARD = [
    "\x1b[31mred\x1b]0;title\x07",
    ":x: :skull:",
    "[bold red]no[/]",
    "\u202egnp.exe",
    "=1+1",
    "+cmd|'x'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "a;=1",
    "two\nlines",
    "quote\"s'",
    "\x9b2J",
    "",
    "-5.5",
]
DEEP = 200_000


def run(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    own = {"FLOE_HOME": str(home), "FLOE_BROKER_PORT": "1", "FLOE_LAKE_THREADS": "1"} | environment
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FLOE_")}
    return subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *words],
        cwd=ROOT,
        env=kept | own,
        capture_output=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory, with_lake) -> Path:
    return with_lake(tmp_path_factory.mktemp("plain") / "home")


@pytest.fixture(scope="module")
def query() -> str:
    values = ", ".join(
        "(" + " || ".join(f"chr({ord(c)})" for c in text) + ")" if text else "('')"
        for text in AWKWARD
    )
    return f"SELECT t AS text, -1.5 AS number, -3 AS whole FROM (VALUES {values}) AS v(t)"


def test_a_table(home, query):
    """Escapes and overrides as such; emoji codes and markup as typed."""
    out = run(home, "sql", query).stdout.decode()
    for shown in (
        "\\x1b[31mred",
        "\\x07",
        ":x: :skull:",
        "[bold red]no[/]",
        "\\u202egnp",
        "=1+1",
        "\\x9b2J",
    ):
        assert shown in out
    assert not set(out) & set("\x1b\x07\x9b\u202e")


def test_a_table_on_a_terminal(home, query):
    """The same where standard output is a terminal: no colour, no picture, no escape of the
    data's.
    """
    ours, theirs = pty.openpty()
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FLOE_")}
    ended = subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli", "sql", query],
        cwd=ROOT,
        stdout=theirs,
        env=kept | {"FLOE_HOME": str(home), "COLUMNS": "200", "TERM": "xterm"},
    )
    os.close(theirs)
    out = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        out += part
    os.close(ours)
    assert ended.wait(60) == 0
    text = out.decode()
    assert "\\x1b[31mred" in text
    assert ":skull:" in text
    assert "\x1b]0;" not in text
    assert "\x1b[31m" not in text
    assert not set(text) & set("\x07\x9b\u202e")


def test_csv(home, query):
    """No cell begins a formula, whichever way a spreadsheet takes it; numbers are numbers, and
    texts of them too.
    """
    out = run(home, "sql", query, "--format", "csv").stdout.decode()
    rows = list(csv.reader(io.StringIO(out)))[1:]
    assert len(rows) == len(AWKWARD)
    assert {tuple(map(float, row[1:])) for row in rows} == {(-1.5, -3.0)}
    for (text, *_), original in zip(rows, AWKWARD, strict=True):
        assert not text.lstrip(" ").startswith(("=", "+", "@", "\t")), text
        assert not text.startswith("-") or float(text) == float(original)
        assert not set(text) & set("\x1b\x07\x9b\u202e")


def test_json(home, query):
    """Exactly what the lake holds, and no character that a terminal would obey."""
    out = run(home, "sql", query, "--format", "json").stdout.decode()
    assert [row["text"] for row in json.loads(out)] == AWKWARD
    assert not set(out) & set("\x1b\x07\x9b\u202e")


@pytest.mark.parametrize(
    "words",
    [
        ("sql", "SELECT '\x1b[31m' FROM nothing"),
        ("sql", "--\x1b[31m"),
        ("\x1b[31mverb",),
        ("status",),
        ("rejects", "--format", "\x1b[2J"),
        ("rejects", "show", "\x1b[2J\u202e", "0", "0"),
    ],
)
def test_errors(home, words):
    """A sentence of an error repeats what was found, without obeying it."""
    found = run(home, *words, FLOE_KAFKA_BOOTSTRAP="\x1b]0;x\x07:1")
    assert not set((found.stdout + found.stderr).decode()) & set("\x1b\x07\u202e")


def test_doctor(tmp_path):
    """Settings and paths are shown, too."""
    found = run(tmp_path / "h\x1b[31mome", "doctor", FLOE_KAFKA_USERNAME="\x1b[31m:x:")
    assert b"\\x1b[31m:x:" in found.stdout
    assert b"\x1b" not in found.stdout + found.stderr


FILES = {
    "csv of escapes": (
        "fitbit",
        "a.csv",
        b"Id,ActivityDate,TotalSteps\n1,4/12/2016,\x1b[31m:x:\xe2\x80\xae\n",
    ),
    "bytes": ("fitbit", "b.csv", bytes(range(256)) * 4),
    "header": ("fitbit", "c.csv", b"\x1b]0;x\x07,b\n1,2\n"),
    "name": ("fitbit", "\x1b[2J.csv", b"a,b\n"),
    "prose": ("fhir", "d.json", b"\x1b[31m once"),
    "deep list": ("fhir", "e.json", b"[" * DEEP + b"]" * DEEP),
    "deep object": (
        "fhir",
        "f.json",
        b'{"resourceType":"Observation","x":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    ),
    "deep in a Bundle": (
        "fhir",
        "g.json",
        b'{"resourceType":"Bundle","entry":[{"resource":' + b"[" * DEEP + b"]" * DEEP + b"}]}",
    ),
    "deep line": (
        "fhir",
        "h.ndjson",
        b'{"resourceType":"Observation","x":' + b"[" * DEEP + b"]" * DEEP + b"}\n",
    ),
    "deep archive": ("fitbit", "steps-2020-01-01.json", b"[" * DEEP + b"]" * DEEP),
    "deep and open": ("fitbit", "steps-2020-01-02.json", b"[" * DEEP),
}


@pytest.mark.parametrize("case", FILES)
def test_refused_files(tmp_path, case):
    """A file that can't be read is refused in one sentence: its bytes do nothing, its depth is no
    traceback.
    """
    format, name, content = FILES[case]
    (tmp_path / name).write_bytes(content)
    found = run(
        tmp_path / "home",
        "import",
        format,
        str(tmp_path / name),
        "--patient",
        "P",
        "--timezone",
        "UTC",
    )
    said = found.stderr.decode()
    assert found.returncode == 2
    assert said.startswith("floe: ")
    assert "Traceback" not in said
    assert len(said) < 1000
    assert not set(said) & set("\x1b\x07\u202e\x00")
