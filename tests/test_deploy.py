"""What a site runs is what there is: units start verbs that the command line has, closed in as far as they
can be, with settings that exist.

Here: deploy/systemd. Not here: the compose file (ingest/test_compose.py).
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingest.settings import Settings
from orchestration.cli import app

FOLDER = Path(__file__).parents[1] / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
_FLOE = "/opt/floe/.venv/bin/floe"
_CLOSED = {
    "NoNewPrivileges": "true",
    "ProtectSystem": "strict",
    "ProtectHome": "true",
    "PrivateTmp": "true",
    "PrivateDevices": "true",
    "CapabilityBoundingSet": "",
    "UMask": "0077",
    "StateDirectoryMode": "0700",
    "Restart": "on-failure",
    "User": "floe",
}


def _values(unit: Path) -> dict[str, str]:
    lines = (line.partition("=") for line in unit.read_text().splitlines() if "=" in line)
    return {name: value for name, _, value in lines if not name.startswith("#")}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_what_there_is(unit):
    """The verb and its options are the command line's; it runs as its own user, and sees and may do little."""
    values = _values(unit)
    assert {name: values.get(name) for name in _CLOSED} == _CLOSED
    program, *verbs = values["ExecStart"].split()
    assert program == _FLOE
    words = [word for word in verbs if not word.startswith(("-", "%"))]
    shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for option in (word for word in verbs if word.startswith("--")):
        assert option in shown.output


def test_there_is_a_unit_for_each_part():
    """All in one, and one by one."""
    assert [unit.name for unit in UNITS] == [
        "floe-alerts.service",
        "floe-dagster.service",
        "floe-dashboards.service",
        "floe-worker@.service",
        "floe.service",
    ]


def test_settings_that_are_shown_exist():
    """Each FLOE_ variable of the example and of the units is a setting."""
    text = "".join(file.read_text() for file in (*UNITS, FOLDER / "floe.env.example"))
    named = set(re.findall(r"^#?(?:Environment=)?(FLOE_\w+)=", text, re.MULTILINE))
    assert named
    assert named <= {f"FLOE_{name.upper()}" for name in Settings.model_fields}


@pytest.fixture
def with_programs(tmp_path) -> list[Path]:
    """The units, with a program that is there; of the worker one instance."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip(
            "systemd-analyze is not installed (Debian package systemd): the units were not verified"
        )
    units = []
    for unit in UNITS:
        copy = tmp_path / unit.name.replace("@", "@1-4")
        copy.write_text(unit.read_text().replace(_FLOE, shutil.which("true") or "/bin/true"))
        units.append(copy)
    return units


def test_systemd_accepts_the_units(with_programs, tmp_path):
    """`systemd-analyze verify` says nothing, and the instance 1-4 is worker 1/4."""
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, with_programs)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"SYSTEMD_LOG_LEVEL": "warning"},
    )
    told = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "floe" in line]
    assert (done.returncode, told) == (0, [])
    unescaped = subprocess.run(
        ["systemd-escape", "--unescape", "1-4"], capture_output=True, text=True, check=True
    )
    assert unescaped.stdout.strip() == "1/4"


def test_systemd_finds_them_well_closed(with_programs):
    """Its own measure of exposure, from 0 (closed) to 10 (open): below 4, where a unit that says nothing has
    9.6.
    """
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            "--threshold=40",
            *map(str, with_programs),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr
