"""Parts of `floe up` that need no system: one at a time in a home.

Here: the home's lock. Not here: the whole (tests/faults/test_up.py).
"""

import os
import subprocess
import sys

import pytest

from orchestration.processes import alone
from transforms.errors import FloeError


def test_two_of_one_home_side_by_side_are_refused(tmp_path):
    """The second is told who runs, and what to do; another home is free; and so is this one
    afterwards.
    """
    with alone(tmp_path / "one"):
        with (
            pytest.raises(
                FloeError, match=rf"runs already in .*one \(process {os.getpid()}\).*FLOE_HOME"
            ),
            alone(tmp_path / "one"),
        ):
            pass
        with alone(tmp_path / "two"):
            pass
    with alone(tmp_path / "one"):
        pass


def test_a_lock_left_behind_is_no_lock(tmp_path):
    """The file of a process that was killed holds nothing."""
    (tmp_path / "up.lock").write_text("1")
    with alone(tmp_path):
        assert (tmp_path / "up.lock").read_text() == str(os.getpid())


def test_pages_and_figures_give_way():
    """At least so nice as it says, whatever it was started with, and what it starts too."""
    code = (
        "import os, subprocess, sys; from orchestration.processes import FIGURES_NICE, PAGES_NICE, give_way; "
        "give_way(FIGURES_NICE); give_way(PAGES_NICE); "
        "print(subprocess.run(['nice'], capture_output=True, text=True).stdout)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert int(told) >= 10
