"""Questionnaires: from the answers to items to scores, with the number answered and a reason for
each score missing.

Here: `score`. Not here: the rules (scales.py, promis.py, eq5d.py), instruments and parameters as
data (transforms/facts), and when a change counts (transforms/rules/pain.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import polars as pl

from ..errors import UsageError
from ..facts.instruments import INSTRUMENTS
from ..facts.parameters import PARAMETERS
from . import eq5d, promis, scales
from .scoring import Scored

__all__ = [
    "Score",
    "Scores",
    "items_of",
    "score",
]


@dataclass(frozen=True, kw_only=True)
class Score:
    """One parameter's score of one response; `value` is None where `reason` says why."""

    parameter: str
    value: float | None
    raw_score: float | None
    standard_error: float | None
    n_answered: int
    n_items: int
    derivation: str | None
    band: str | None
    detail: str | None
    reason: str | None


class Scores(Mapping):
    """The scores of one response: parameter code -> `Score`; `.value` and the like are the first
    parameter's.
    """

    def __init__(self, scores: list[Score]):
        self._scores = {s.parameter: s for s in scores}

    def __getitem__(self, code: str) -> Score:
        return self._scores[code]

    def __iter__(self):
        return iter(self._scores)

    def __len__(self) -> int:
        return len(self._scores)

    def __getattr__(self, name: str):
        if name.startswith("_") or not self._scores:
            raise AttributeError(name)
        return getattr(next(iter(self._scores.values())), name)

    def __repr__(self) -> str:
        return f"Scores({', '.join(f'{s.parameter}={s.value}' for s in self._scores.values())})"


def items_of(instrument: str) -> list[str]:
    """The item codes of an instrument; an unknown one is a UsageError."""
    if instrument not in INSTRUMENTS:
        raise UsageError(
            f"instrument {instrument!r} is not known; expected one of {', '.join(INSTRUMENTS)}"
        )
    return list(INSTRUMENTS[instrument].items)


def score(
    instrument: str,
    items: Mapping | Sequence | float | pl.DataFrame,
    *,
    odi_licensed: bool = False,
    odi_min_items: int = 8,
    value_set: pl.DataFrame | None = None,
) -> Scores | pl.DataFrame:
    """Scores of one response (a mapping of item code to number or None) or of many (a frame of item
    columns).

    One response may also be the answers to all items in their order, or the one answer of an
    instrument of one item; it gives `Scores`. NaN is not answered, as None and null. A frame gives
    a long frame: its other columns, then a row a response and parameter with `parameter`, `value`,
    `raw_score`, `standard_error`, `n_answered`, `n_items`, `derivation`, `band` (severity in words:
    ODI, pain interference), `detail`, `reason`; an item column that is not there counts as not
    answered. Of a pain scale only the items in the mapping, or the columns in the frame, give a
    row. `value_set`: columns `profile` (five digits), `utility` and `value_set` (its id), for the
    EQ-5D-5L index. Formulas and sources: the scorers' docstrings.
    """
    instrument = instrument.lower()
    item_codes = items_of(instrument)
    scorers = _scorers(
        instrument, odi_licensed=odi_licensed, odi_min_items=odi_min_items, value_set=value_set
    )
    if isinstance(items, pl.DataFrame):
        return _score_frame(items, scorers=scorers, item_codes=item_codes)
    answers = {
        item: _number(item, answer)
        for item, answer in _by_item(instrument, items, item_codes=item_codes).items()
    }
    row = pl.DataFrame(
        {i: [v] for i, v in answers.items()}, schema=dict.fromkeys(answers, pl.Float64)
    )
    names = [f.name for f in fields(Score)]
    scored = _score_frame(row, scorers=scorers, item_codes=item_codes).select(names)
    return Scores([Score(**r) for r in scored.iter_rows(named=True)])


def _by_item(instrument: str, items, *, item_codes: list[str]) -> Mapping:
    """The answers by item code; of an instrument of one item the answer itself will do."""
    if isinstance(items, Mapping):
        unknown = sorted(str(i) for i in set(items) - set(item_codes))
        if unknown:
            raise UsageError(
                f"{instrument} has no item {', '.join(unknown)}; expected {', '.join(item_codes)}"
            )
        return items or {item_codes[0]: None}
    answers = list(items) if isinstance(items, Iterable) and not isinstance(items, str) else [items]
    if len(answers) != len(item_codes):
        raise UsageError(
            f"{instrument}: found {len(answers)} answers, expected {len(item_codes)} ({', '.join(item_codes)}), None where one "
            "is not answered"
        )
    return dict(zip(item_codes, answers, strict=True))


def _number(item: str, answer) -> float | None:
    try:
        return None if answer is None else float(answer)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"item {item} is {answer!r}: give a number, or None where it is not answered"
        ) from error


def _score_frame(
    frame: pl.DataFrame, *, scorers: list[Scored], item_codes: list[str]
) -> pl.DataFrame:
    present = [i for i in item_codes if i in frame.columns]
    others = [c for c in frame.columns if c not in item_codes]
    words = [
        i
        for i in present
        if not (frame.schema[i].is_numeric() or frame.schema[i] in (pl.Boolean, pl.Null))
    ]
    if words:
        raise UsageError(
            f"item {words[0]} is a column of {frame.schema[words[0]]}: give numbers, null if not answered"
        )
    taken = [c for c in others if c in {f.name for f in fields(Score)}]
    if taken:
        raise UsageError(
            f"column {', '.join(taken)} clashes with a column of the result: rename it"
        )
    full = frame.with_columns(
        *[pl.col(i).cast(pl.Float64).fill_nan(None) for i in present],
        *[pl.lit(None, dtype=pl.Float64).alias(i) for i in item_codes if i not in present],
    )
    asked = [s for s in scorers if s.item is None or len(item_codes) == 1 or s.item in present]
    parts = [full.select(*others, s.struct().alias("_score")).unnest("_score") for s in asked]
    return pl.concat(parts)


def _scorers(instrument: str, *, odi_licensed: bool, odi_min_items: int, value_set) -> list[Scored]:
    match instrument:
        case "odi":
            return [scales.odi(is_licensed=odi_licensed, min_items=odi_min_items)]
        case "start_back":
            return scales.start_back()
        case "promis_pi_4a":
            return [promis.short_form("PI4A", count=4)]
        case "promis_pi_6a":
            return [promis.short_form("PI6A", count=6)]
        case "promis_pf_6b":
            return [promis.short_form("PF6B", count=6)]
        case "promis_29":
            return promis.promis_29()
        case "eq_5d_5l":
            return eq5d.scores(value_set)
        case _:
            mine = [p for p in PARAMETERS.values() if p.instrument == instrument]
            return [scales.single(p.code) if p.item else scales.prorated(p.code) for p in mine]
