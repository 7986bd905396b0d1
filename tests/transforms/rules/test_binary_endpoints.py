"""Endpoints by a cut: how they are written, what they ask, what is refused."""

import polars as pl
import pytest

from transforms.errors import UsageError
from transforms.rules.binary_endpoints import endpoints


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NRS7D<=3", [True, True, False, True, None]),
        ("nrs7d >= 4", [False, False, True, False, None]),
        ("NRS7D improved>=5", [True, False, False, None, None]),
        ("NRS7D improved>=30%", [True, None, False, None, None]),
        ("PI4A improved>=3.5", [True, False, False, None, None]),
        ("EQ5D improved>=0.08", [False, True, False, None, None]),
    ],
)
def test_what_is_met(text, expected):
    """Baselines 8, 0, 5, none, 5 and values 3, 3, 4, 2, none: at the cut is met; from 0 no
    percentage; no value, no answer.
    """
    rows = pl.DataFrame({"BASE": [8.0, 0.0, 5.0, None, 5.0], "AVAL": [3.0, 3.0, 4.0, 2.0, None]})
    (endpoint,) = endpoints(text)
    assert rows.select(met=endpoint.is_met())["met"].to_list() == expected
    assert endpoint.text == text


def test_several_in_order():
    """Semicolons part them; nothing written is none."""
    assert [e.parameter for e in endpoints("ODI<=20; RMDQ improved >= 30 %;")] == ["ODI", "RMDQ"]
    assert endpoints("") == endpoints(" ; ") == []


@pytest.mark.parametrize(
    "text",
    [
        "NRS7D",
        "NRS7D<3",
        "PAIN<=3",
        "NRS7D improved<=3",
        "NRS7D<=30%",
        "PI4A improved>=30%",
        "NRS7D<=x",
    ],
)
def test_what_can_not_be_read_is_refused(text):
    """A cut without a side, an unknown parameter, a percentage that means nothing: what to write
    instead.
    """
    with pytest.raises(UsageError):
        endpoints(text)
