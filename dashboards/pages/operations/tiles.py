"""Tiles of the operations page: what lands, what waits, what is wrong, in a number each.

Here: facts -> tiles. Not here: the tables (page.py), the facts (facts.py).
"""

from datetime import UTC, datetime

from transforms.counting import spoken
from transforms.schemas import MART_TABLES

from ... import words
from ...components import tile
from ...computed import Computed
from ...reader import Reader
from ..base import why_unknown
from .facts import Stream, failing_checks, workers
from .parts import parts_tile


def health_tiles(reader: Reader, facts: Stream | None, computed: Computed) -> list:
    if facts is None:
        return [
            tile(
                "Lake",
                "not there yet",
                reader.missing or "it is made by the first ingest",
                is_concern=True,
            )
        ]
    beats = workers(reader)
    return [
        tile(
            "Events a second, last minute",
            words.number(facts.events_per_s, 1),
            facts.why_unknown or f"{words.count(facts.rows)} rows landed in all",
            is_concern=facts.why_unknown is not None,
        ),
        tile(
            "Newest event",
            ago(facts.newest_event_at),
            f"{words.moment(facts.newest_event_at)}; last landed {ago(facts.landed_at)}"
            if facts.landed_at
            else "nothing landed yet",
        ),
        tile(
            "Rejected records",
            words.count(facts.rejects),
            f"{facts.unread_safety} of safety topics not yet replayed"
            + (
                f"; {ago(facts.landed_at)}, since then {facts.why_unknown}"
                if facts.why_unknown
                else ""
            ),
            is_concern=facts.unread_safety > 0,
        ),
        tile(
            "Workers",
            f"{sum(b['health'] == 'ok' for b in beats)} of {len(beats)} running"
            if beats
            else "none seen",
            ", ".join(f"{b['worker']} {b['health']}" for b in beats)
            or "no ingest process has run in this home",
            is_concern=any(b["health"] != "ok" for b in beats),
        ),
        tile(
            "Outcomes computed",
            ago(computed.started_at),
            f"data to {words.moment(computed.data_cutoff)}" if computed.data_cutoff else "never",
        ),
        tile(
            "Landed since",
            words.count(computed.records_since),
            "records that the outcomes do not know yet",
        ),
        parts_tile(reader),
        _checks_tile(reader),
        tile(
            "Content unknown",
            words.count(0 if facts.unknown is None else facts.unknown.height),
            "fields, values or instruments",
        ),
    ]


def _checks_tile(reader: Reader):
    if why_unknown(reader, MART_TABLES["check_results"].full_name):
        return tile("Checks that fail", words.NOTHING, "not known: no check has run")
    failing = failing_checks(reader).height
    return tile(
        "Checks that fail", words.count(failing), "of the marts' promises", is_concern=failing > 0
    )


def ago(at: datetime | None) -> str:
    if at is None:
        return words.NOTHING
    return f"{spoken(max(0.0, (datetime.now(UTC) - at).total_seconds()))} ago"
