"""What a page's browser may send to a callback: the ids that it has, each with a value of its kind.

Here: judging one request's JSON against the registered callbacks, so that whatever else is sent is
refused in a sentence. Not here: who may send at all (ingest/guard.py), what callbacks do.
"""

from collections.abc import Mapping, Sequence

from ingest.contract import LONGEST_TEXT

from . import ids

_MOST_BYTES = 8_000  # of an address; browsers and servers take about so many
_MOST_TYPED_BYTES = 4 * LONGEST_TEXT  # UTF-8 has at most four a character
_TYPED = frozenset(
    f"{id}.value" for id in (ids.ALERT_BY, ids.ALERT_FINDING, ids.ALERT_ACTION, ids.ALERT_DUE)
)
_KINDS: Mapping[str, tuple[type, ...]] = {
    f"{ids.URL}.pathname": (str,),
    f"{ids.URL}.search": (str, type(None)),
    f"{ids.MARTS_VERSION}.data": (int, type(None)),
    f"{ids.STREAM_VERSION}.data": (str, type(None)),
    f"{ids.SCHEME}.data": (str, type(None)),
    f"{ids.CLOCK}.n_intervals": (int, type(None)),
    **{f"{id}.n_clicks": (int, type(None)) for id in (ids.DEVICE_OUT, ids.DEVICE_BACK)},
    **{f"{id}.value": (str, type(None)) for id in (ids.DEVICE_BY, ids.DEVICE_WHY, ids.DEVICE_FROM)},
    f"{ids.ALERT_SEEN}.data": (dict, type(None)),
    f"{ids.ALERT_SENT}.data": (str, type(None)),
    **{
        f"{id}.n_clicks": (int, type(None))
        for id in (ids.ALERT_ACKNOWLEDGE, ids.ALERT_INVESTIGATE, ids.ALERT_CLOSE)
    },
    **dict.fromkeys(_TYPED, (str, type(None))),
}
_ANY = (object,)  # of what a callback waits for without reading it: a page's children


def what_is_wrong(callbacks: Mapping[str, Mapping], body: Mapping) -> str | None:
    """A sentence on what is found in the request and not expected; None for one that a page sends.

    `callbacks`: Dash's own, output -> inputs, state, outputs; those that run in the browser take no
    request.
    """
    output = body.get("output")
    callback = callbacks.get(output) if isinstance(output, str) else None
    if callback is None or "callback" not in callback:
        return "found the output of no callback"
    asked = [f"{one['id']}.{one['property']}" for one in callback["inputs"]]
    return (
        _of_values("inputs", asked, body.get("inputs"))
        or _of_values(
            "state",
            [f"{one['id']}.{one['property']}" for one in callback["state"]],
            body.get("state", []),
        )
        or _of_outputs(callback["output"], body.get("outputs"))
        or _of_changes(asked, body.get("changedPropIds", []))
    )


def _of_values(name: str, expected: Sequence[str], given: object) -> str | None:
    if not isinstance(given, list) or [_name_of(one) for one in given] != list(expected):
        return f"found other {name} than {', '.join(expected) or 'none'}"
    for one, full_name in zip(given, expected, strict=True):
        most = _MOST_TYPED_BYTES if full_name in _TYPED else _MOST_BYTES
        if not _is_of_kind(one.get("value"), _KINDS.get(full_name, _ANY), most_bytes=most):
            return f"found a value of another kind for {full_name}"
    return None


def _of_outputs(expected: object, given: object) -> str | None:
    """One object for one output, a list for several."""
    wanted = [f"{one.component_id}.{one.component_property}" for one in _listed(expected)]
    is_list = isinstance(expected, list | tuple)
    if isinstance(given, list) != is_list or [_name_of(one) for one in _listed(given)] != wanted:
        return "found other outputs than the callback's"
    return None


def _of_changes(asked: Sequence[str], given: object) -> str | None:
    is_sound = isinstance(given, list) and all(
        isinstance(one, str) and one in asked for one in given
    )
    return None if is_sound else "found changes of other things than the inputs"


def _name_of(one: object) -> str | None:
    if not isinstance(one, dict):
        return None
    parts = (one.get("id"), one.get("property"))
    if not all(isinstance(part, str) for part in parts):
        return None
    return ".".join(parts)


def _listed(value: object) -> list:
    if isinstance(value, list | tuple):
        return list(value)
    return [value]


def _is_of_kind(value: object, kinds: tuple[type, ...], *, most_bytes: int) -> bool:
    if isinstance(value, str):
        return _is_text(value, most_bytes=most_bytes) and isinstance(value, kinds)
    return isinstance(value, kinds) and (kinds == _ANY or not isinstance(value, bool))


def _is_text(value: str, *, most_bytes: int) -> bool:
    """Short enough, and without halves of characters, which nothing can store."""
    try:
        return len(value.encode()) <= most_bytes
    except UnicodeEncodeError:
        return False
