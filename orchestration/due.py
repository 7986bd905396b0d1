"""When core and mart are brought up to date, and which of their tables.

Here: whether a run is due, with what is of everybody or without, and what of it need be computed. Not
here: the cut (cut.py), computing (assets/), who asks (automation.py, resident.py).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.lake import Lake
from ingest.settings import Settings
from transforms.marts import MARTS
from transforms.touching import Touches

from .assets.build import Followed
from .assets.order import in_order
from .cut import is_behind, read_cut, take_cut, waiting
from .following import CURSORS
from .one_run import Run
from .releases import tells_arms

_MERGING = "patient_status"
OF_EVERYBODY = frozenset(m.table.full_name for m in MARTS.values() if m.is_of_everybody)


@dataclass(frozen=True)
class Due:
    """A run that is due; without models, those of everybody stay on the cut that they stand on."""

    with_models: bool


def due(
    lake: Lake, settings: Settings, *, now: datetime, after_failure: bool = False
) -> Due | None:
    """None where all that landed is computed, but for models whose time has not come.

    `after_failure`: the last run failed; what is behind is tried again with what lands, not at once.
    """
    has_landed = is_behind(lake)
    behind = frozenset() if after_failure else waiting(lake)
    if not has_landed and not behind:
        return None
    every = timedelta(minutes=settings.models_every_min)
    stand_on = _models_stand_on(lake)
    # a release that shows arms which are masked by now is made anew at once, and waits for models
    with_models = stand_on is None or stand_on <= now - every or tells_arms(lake)
    return Due(with_models) if has_landed or with_models or behind - OF_EVERYBODY else None


def _models_stand_on(lake: Lake) -> datetime | None:
    """The moment of the oldest snapshot that a model of everybody stands on; None where one was
    never computed.
    """
    names = ", ".join(f"'{name}'" for name in sorted(OF_EVERYBODY))
    rows = lake.rows(
        f"""SELECT snapshot_time FROM ducklake_snapshots('lake') WHERE snapshot_id =
            (SELECT min(raw_snapshot) FROM {CURSORS.full_name} WHERE table_name IN ({names})
             HAVING count(*) = {len(OF_EVERYBODY)})"""
    )
    return rows[0][0] if rows else None


def to_compute(lake: Lake, *, with_models: bool) -> list[Followed]:
    """Tables that are not current for the lake as it stands, and all that may be touched by one; in
    the order in which they are computed.
    """
    run = Run(lake, cut=read_cut(take_cut(lake)))
    topics, chosen = _landed_topics(run), {}
    for one in in_order():
        if one.can_wait(run) and not with_models:
            continue
        if _may_be_touched(one, by=chosen, topics=topics) or not one.is_untouched(run):
            chosen[one.table.full_name] = one
    return list(chosen.values())


def _landed_topics(run: Run) -> frozenset[str] | None:
    """Topics of which something landed since the oldest cut that a table stands on; None = of any: a
    patient's status may merge the records of two, of whatever topic.
    """
    changed = run.changed(min((c.raw_snapshot for c in run.cursors.values()), default=0))
    if changed is None or f"raw.{_MERGING}" in changed:
        return None
    return frozenset(name.removeprefix("raw.") for name in changed)


def _may_be_touched(one: Followed, *, by: Collection[str], topics: frozenset[str] | None) -> bool:
    """By one of these tables, if its rows of these topics change."""
    touching = [one.touched_by.get(name, (Touches(),)) for name in one.inputs if name in by]
    return any(_is_of(touches, topics) for part in touching for touches in part)


def _is_of(touches: Touches, topics: frozenset[str] | None) -> bool:
    column, values = touches.part or (None, frozenset())
    return column != "topic" or topics is None or bool(values & topics)
