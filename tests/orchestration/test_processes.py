"""Parts of `floe up` that need no system: one at a time in a home.

Here: the home's lock. Not here: the whole (tests/faults/test_up.py).
"""

import os

import pytest

from orchestration.processes import alone
from transforms.errors import FloeError


def test_two_of_one_home_side_by_side_are_refused(tmp_path):
    """The second is told who runs, and what to do; another home is free; and so is this one afterwards."""
    with alone(tmp_path / "one"):
        with (
            pytest.raises(FloeError, match=rf"runs already in .*one \(process {os.getpid()}\).*FLOE_HOME"),
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
