"""What is wrong with a file of duties, as a sentence: where, what was found, what was expected.

Here: pydantic's errors in words, and checked kinds of settings that say theirs themselves.
Not here: the settings (duty.py). What may hold a secret is never repeated.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, BeforeValidator

_SECRET = (
    "url",
    "proxy",
)  # and the names of variables, in whose place somebody may have written what they hold
_MOST = 60  # characters of what was found
_EXPECTED = {
    "string_type": "text in quotes",
    "tuple_type": "a list in [ ]",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "path_type": "a path in quotes",
    "too_short": "at least one",
}


def like(pattern: str, expected: str) -> BeforeValidator:
    """Text that the pattern fits as a whole."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError(f"found {shown(value)}, expected {expected}")
        return value

    return BeforeValidator(check)


def whole(low: int, high: int, unit: str = "") -> BeforeValidator:
    """A whole number from one bound to the other."""

    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(
                f"found {shown(value)}, expected a whole number{unit} from {low:,} to {high:,}"
            )
        return value

    return BeforeValidator(check)


def of_day(value: Any) -> time:
    """A time of the day on a clock on a wall, whose zone is the clinic's."""
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not re.fullmatch(
        r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?", value
    ):
        raise ValueError(
            f'found {shown(value)}, expected hours and minutes of the clinic\'s own clock, as "07:30"'
        )
    return time.fromisoformat(value)


def shown(value: Any) -> str:
    """What was found, as TOML would have it; long text is cut."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, (int, float, date, time)):
        return str(value)[:_MOST]
    return repr(value if len(str(value)) <= _MOST else f"{str(value)[:_MOST]}…")


def sentence(error: Mapping, given: Mapping, settings: Callable[[tuple], type[BaseModel]]) -> str:
    """Of an error of pydantic in what was `given`; `settings`: the model of a place in it."""
    place, name = _place(error["loc"], given), str(error["loc"][-1]) if error["loc"] else ""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        return f"{place}: {error['msg'].removeprefix('Value error, ')}"
    if kind == "extra_forbidden":
        return f"{_place(error['loc'][:-1], given)}: {_unknown(name, list(settings(error['loc'][:-1]).model_fields))}"
    if kind == "missing":
        return f"{_place(error['loc'][:-1], given)}: found no {name}, which is needed"
    if kind.startswith("union_tag"):
        what = f"found kind {shown(context['tag'])}" if "tag" in context else "found no kind"
        return f"{place}: {what}, expected one of webhook, email, file"
    if error["loc"] == ("sinks",):
        return f"sinks: found {shown(error['input'])}, expected a table [[sinks]], in two brackets, for each sink"
    expected = (
        f"one of {context['expected']}"
        if kind == "literal_error"
        else _EXPECTED.get(kind, error["msg"])
    )
    is_secret = name in _SECRET or name.endswith("_env")
    return f"{place}: found {'something else' if is_secret else shown(error['input'])}, expected {expected}"


def _unknown(name: str, expected: list[str]) -> str:
    near = get_close_matches(name, expected, n=1)
    return f"found the setting {shown(name)}, expected {', '.join(expected)}{f' (was {near[0]} meant?)' if near else ''}"


def _place(loc: tuple, given: Mapping) -> str:
    """A sink by its name, or as which one it is; the rest as the file has it."""
    if not loc:
        return "the file"
    if loc[0] != "sinks" or len(loc) < 2:
        return ".".join(map(str, loc))
    sink = given["sinks"][loc[1]]
    name = sink.get("name") if isinstance(sink, Mapping) else None
    whose = (
        f"[[sinks]] {shown(name)}"
        if isinstance(name, str) and name
        else f"[[sinks]] number {loc[1] + 1}"
    )
    return ", ".join([whose, *map(str, loc[3:])])
