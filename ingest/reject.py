"""Why a record is set aside.

Here: `Reject`, and how a value is shown in one. Not here: the checks (json_faults.py, record.py,
rules.py).
"""

from dataclasses import dataclass
from typing import Any

import orjson

SHOWN = 200  # characters of a found value in a reject's detail


@dataclass(frozen=True)
class Reject:
    """Why a record is set aside: a code of contract.REASONS, the field, what was found and
    expected.
    """

    reason: str
    field: str | None = None
    detail: str | None = None


def shown(value: Any) -> str:
    """A found value as JSON, cut to a readable length."""
    try:
        text = orjson.dumps(value).decode()
    except (
        TypeError
    ):  # an integer beyond 64 bits, a text that is not UTF-8, a value nested too deep
        try:
            text = repr(value)
        except RecursionError:
            text = f"a deeply nested {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
