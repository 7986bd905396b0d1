"""Why figures that a release has shown are others now, as rows of mart.restatements.

Here: the reasons of each, and what stands in its row. Not here: which figures differ (figures.py),
which events touch them (touching.py).

A figure is restated where a run changes it, it differs from what the release has shown, and by more
than new data: because something of before the release's data cut landed, or what decides it beside
the data changed. How much of a difference is of which event is not told apart: events of later time
that came with the same run are counted beside (`new`).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import blake2b

import polars as pl

from ..counting import counted
from ..options import Cut, Options
from ..schemas import MART_TABLES
from .figures import Figure
from .landed import NEW, OF_THE_PAST
from .topics import sources
from .touching import Counts, Placed, added

TABLE = MART_TABLES["restatements"]
DEFINITION, SETTING, CODE, UNKNOWN = "definition", "setting", "code", "unknown"
REASONS = (*OF_THE_PAST, DEFINITION, SETTING, CODE, UNKNOWN)
_LONGEST_VALUE = 200
_WORDS = {"entered_in_error": "entered in error", "retracted": "taken back"}


@dataclass(frozen=True, kw_only=True)
class Causes:
    """What of a run may have changed a figure. `is_computed_otherwise`: by other code, settings or
    libraries than in the run before; `settings`: those that are others than at the release, as
    setting -> (then, now); `is_other_code`: than at the release. `is_all_known`: whether it is
    known what landed, and that time alone has not changed figures.
    """

    placed: Placed
    landed: frozenset[str]  # topics of which anything landed
    is_computed_otherwise: bool = False
    settings: Mapping[str, tuple] = field(default_factory=dict)
    is_other_code: bool = False
    is_all_known: bool = True
    has_time_gone_on: bool = True


def settings_of(options: Options) -> str:
    """A site's options as a JSON object; a long value by its digest."""
    return json.dumps({name: _told(value) for name, value in asdict(options).items()})


def _told(value: object) -> object:
    if isinstance(value, bool | int | float | str | None):
        return value
    text = repr(value)
    return (
        text if len(text) <= _LONGEST_VALUE else blake2b(text.encode(), digest_size=8).hexdigest()
    )


def changed_settings(then: str, options: Options) -> dict[str, tuple]:
    """Settings that are others than they were `then` (`settings_of`)."""
    before, now = json.loads(then), json.loads(settings_of(options))
    return {
        name: (before.get(name), now.get(name))
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    }


def restated(
    figures: Iterable[Figure],
    *,
    causes: Causes,
    earlier: pl.DataFrame,
    release_id: int,
    cut: Cut,
    at: datetime,
) -> pl.DataFrame:
    """Rows of `mart.restatements` of the figures that a run changed, where they are restated.
    `earlier`: the rows of this release so far.
    """
    before = {(r["table"], r["figure"]): r for r in earlier.iter_rows(named=True)}
    stamps = {
        "release_id": release_id,
        "restated_at": at,
        "lake_snapshot": cut.lake_snapshot,
        "data_cutoff": cut.data_cutoff,
    }
    rows = []
    for figure in figures:
        last = before.get((figure.table, figure.key))
        if not figure.changed and last is None:
            continue
        reasons, events = _reasons(figure, causes)
        if reasons:
            rows.append(stamps | _row(figure, reasons, events, causes, last=last, at=at))
    return TABLE.conform(pl.DataFrame(rows, schema=TABLE.polars_schema))


def _reasons(figure: Figure, causes: Causes) -> tuple[set[str], Counts]:
    of = sources(figure.table, figure.parameter)
    events = causes.placed.counts(figure.stratum, of)
    reasons = set(events) & set(OF_THE_PAST)
    if causes.is_computed_otherwise:
        reasons |= _of_rules(figure, causes)
    has_landed = bool({topic for topic, _ in of} & causes.landed)
    is_explained = has_landed or causes.has_time_gone_on or causes.is_computed_otherwise
    if not (causes.is_all_known and (reasons or is_explained)):
        reasons.add(UNKNOWN)
    return reasons, events


def _of_rules(figure: Figure, causes: Causes) -> set[str]:
    was, is_now = figure.versions
    is_redefined = is_now is not None and was != is_now
    reasons = {DEFINITION} if is_redefined else set()
    reasons |= {SETTING} if causes.settings else set()
    return reasons | ({CODE} if causes.is_other_code and not is_redefined else set())


def _row(
    figure: Figure,
    reasons: set[str],
    events: Counts,
    causes: Causes,
    *,
    last: Mapping | None,
    at: datetime,
) -> dict:
    settings = dict(causes.settings) if SETTING in reasons else {}
    times, first_at = 1, at
    if last is not None:
        events = added(events, json.loads(last["events"]))
        settings = json.loads(last["settings"] or "{}") | settings
        reasons = reasons | set(last["reasons"])
        times, first_at = 1 + last["times"], last["first_restated_at"]
    ordered = [reason for reason in REASONS if reason in reasons]
    return {
        "table": figure.table,
        "figure": figure.key,
        "metric_id": figure.metric_id,
        "in_words": figure.in_words,
        "changed": list(figure.changed),
        "published": figure.published,
        "restated": figure.restated,
        "reasons": ordered,
        "events": json.dumps(events),
        "settings": json.dumps(settings) if settings else None,
        "because": _because(ordered, events, settings, figure.versions),
        "first_restated_at": first_at,
        "times": times,
    }


def _because(
    reasons: list[str], events: Counts, settings: Mapping[str, tuple], versions: tuple
) -> str:
    parts = [_of_events(r, events[r]) for r in reasons if r in events]
    if DEFINITION in reasons:
        was, is_now = versions
        parts.append(f"its definition changed (version {was} to {is_now})")
    parts += [
        f"the setting FLOE_{name.upper()} changed from {was} to {now}"
        for name, (was, now) in settings.items()
    ]
    if CODE in reasons:
        parts.append("another version of Floe computed it")
    if UNKNOWN in reasons:
        parts.append("why is not known")
    beside = f"; beside {counted(_sum(events[NEW]), 'new event')}" if events.get(NEW) else ""
    return "; ".join(parts) + beside


def _of_events(reason: str, topics: Mapping[str, int]) -> str:
    of = ", ".join(f"{topic.replace('_', ' ')} {n:,}" for topic, n in topics.items())
    return f"{counted(_sum(topics), 'event')} {_WORDS.get(reason, reason)} ({of})"


def _sum(topics: Mapping[str, int]) -> int:
    return sum(topics.values())
