"""Which records have, at a glance, the contract's shape: one regular expression a topic, no object
a record.

Here: the expression and its use on a column of texts. A record that matches is JSON, has known
fields only, each once and of its type, and the right specversion, type and content type. One that
does not match may still be good: ingest/record.py decides. Not here: what the fields' values may be
(ingest/rules.py).

An event is of fixed depth, so its shape is a regular language as long as the order of the fields is
fixed; a field may be left out, but not the first. Texts with escapes, and numbers at the edge of
what a double holds, are left to the record path, so that a match can never fail to parse.
"""

import re
from functools import lru_cache

import orjson
import polars as pl

from transforms.schemas import TIMESTAMP, Topic

from .contract import ATTRIBUTES, CONTENT_TYPE, SPECVERSION, TOPIC_BY_TYPE, data_fields

Order = tuple[tuple[str, ...], tuple[str, ...]]  # fields of the envelope, fields of data

_SPACE = r"[ \t]*"
_TEXT = r'"[^"\\\x00-\x1f]*"'
_NUMBER = r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,2})?"
_INTEGER = r"-?(?:0|[1-9][0-9]{0,14})(?:\.0{1,9})?"
_ALWAYS = ("specversion", "type", "data")
_SAMPLES = 16  # records looked at to learn an order
_ROUNDS = 3  # orders learned from one batch, at most
_WORTH = 64  # fewer records than this go one by one: cheaper than learning their order


def _list_of(value: str) -> str:
    item = f"{_SPACE}(?:{value}|null){_SPACE}"
    return rf"\[(?:{_SPACE}|{item}(?:,{item})*)\]"


_BY_TYPE = {
    pl.String: _TEXT,
    TIMESTAMP: _TEXT,
    pl.Date: _TEXT,
    pl.Int64: _INTEGER,
    pl.Float64: _NUMBER,
    pl.Boolean: "true|false",
    pl.List(pl.String): _list_of(_TEXT),
    pl.List(pl.Float64): _list_of(_NUMBER),
}


def _object(values: dict[str, str], order: tuple[str, ...]) -> str:
    """An object of these fields in this order: the first and those that are always there, the
    others perhaps.
    """
    pairs = [rf'{_SPACE}"{name}"{_SPACE}:{_SPACE}(?:{values[name]}){_SPACE}' for name in order]
    rest = [
        f",{pair}" if name in _ALWAYS else f"(?:,{pair})?"
        for name, pair in zip(order[1:], pairs[1:], strict=True)
    ]
    return rf"\{{{pairs[0]}{''.join(rest)}\}}"


def canonical(topic: Topic) -> Order:
    """The order in which `contract.encode` writes and the contract lists the fields."""
    return ATTRIBUTES, tuple(c.field for c in data_fields(topic))


@lru_cache(maxsize=256)
def pattern(topic_type: str, order: Order) -> str:
    """The expression of a topic's records whose fields stand in this order."""
    fields = data_fields(TOPIC_BY_TYPE[topic_type])
    data = {c.field: f"{_BY_TYPE[c.dtype]}|null" for c in fields}
    envelope = dict.fromkeys(ATTRIBUTES, f"{_TEXT}|null") | {
        "specversion": f'"{re.escape(SPECVERSION)}"',
        "type": f'"{re.escape(topic_type)}"',
        "datacontenttype": f'"{CONTENT_TYPE}"|null',
        "data": _object(data, order[1]),
    }
    return f"^{_SPACE}{_object(envelope, order[0])}{_SPACE}$"


def _order_of(text: str, *, topic: Topic) -> Order | None:
    """The order of one record's known fields, those it lacks behind them; None where it is no
    event.
    """
    try:
        event = orjson.loads(text)
        order = (tuple(event), tuple(event["data"]))
    except (ValueError, KeyError, TypeError):
        return None
    usual = canonical(topic)
    return tuple(
        tuple(n for n in here if n in names) + tuple(n for n in names if n not in here)
        for here, names in zip(order, usual, strict=True)
    )


def _learned(texts: pl.Series, *, topic: Topic) -> list[Order]:
    """Orders seen in the first texts, that of the record with the most fields first."""
    samples = sorted(
        texts.drop_nulls().head(_SAMPLES).to_list(), key=lambda text: -text.count('":')
    )
    return list(dict.fromkeys(order for s in samples if (order := _order_of(s, topic=topic))))


def plain(texts: pl.Series, *, topic: Topic) -> pl.Series:
    """For each text (null = unreadable) whether it matches, in the canonical order or one that the
    batch shows.
    """
    matched = texts.str.contains(pattern(topic.type, canonical(topic))).fill_null(False)
    tried = {canonical(topic)}
    for _ in range(_ROUNDS):
        left = texts.set(matched, None)
        if left.len() - left.null_count() < _WORTH:
            break
        order = next((o for o in _learned(left, topic=topic) if o not in tried), None)
        if order is None:
            break
        tried.add(order)
        matched |= left.str.contains(pattern(topic.type, order)).fill_null(False)
    return matched
