"""What counts as having been stopped, whatever an error's causes look like."""

from itertools import pairwise

import pytest

from orchestration.interrupts import is_interrupt


def _caused(*errors: BaseException) -> BaseException:
    """The first error, each caused by the next."""
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


def _circle() -> BaseException:
    error = ValueError("its own cause's cause")
    return _caused(error, RuntimeError(), error)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, False),
        (ValueError(), False),
        (KeyboardInterrupt(), True),
        (_caused(RuntimeError(), ValueError(), KeyboardInterrupt()), True),
        (_circle(), False),
    ],
)
def test_a_signal_is_found_among_the_causes(error, expected):
    """However deep, and without end where the causes lead in a circle."""
    assert is_interrupt(error) is expected
