"""Upkeep is killed (-9) after each of its steps, again and again: the rows stay, and it comes to its end.

Here: kills between steps. Not here: kills at any line (`make crashes`), steps (ingest/test_upkeep.py).
"""

import subprocess
import sys

from tests.small_files import make, opened, readings_files

_KILLED = """
import os, signal, sys
from tests.small_files import opened
with opened(sys.argv[1]) as lake:
    lake.upkeep(on_step=lambda step: os.kill(os.getpid(), signal.SIGKILL))
"""
_FILES = 300


def _rows(lake) -> list[tuple]:
    return lake.rows(
        "SELECT count(*), count(DISTINCT kafka_offset), sum(kafka_offset) FROM raw.readings"
    )


def test_killed_after_each_step(tmp_path):
    """Each run gets one step further than the one before and dies; rows are equal after each death, and at
    the end every file is as it was written.
    """
    make(tmp_path, files=_FILES, events=12)
    with opened(tmp_path) as lake:
        before = _rows(lake)
    deaths = 0
    while _ended(tmp_path) != 0:
        deaths += 1
        assert deaths < 60
        with opened(tmp_path) as lake:
            assert _rows(lake) == before
    assert deaths >= 6
    with opened(tmp_path) as lake:
        assert readings_files(lake) == 1
        assert _rows(lake) == before
        assert lake.check_files().damages == ()


def _ended(home) -> int:
    code = subprocess.run(
        [sys.executable, "-c", _KILLED, str(home)], check=False, timeout=300
    ).returncode
    assert code in (0, -9)
    return code
