"""Tiles of the operations page: what lands, what waits, what is wrong, in a number each.

Here: facts -> tiles. Not here: the tables (page.py), the facts (facts.py).
"""

from datetime import UTC, datetime

from transforms.alerting.rules import MOST_SMALL_FILES
from transforms.counting import spoken
from transforms.schemas import MART_TABLES

from ... import words
from ...components import tile
from ...computed import Computed
from ...reader import Reader
from ..base import why_unknown
from .facts import Stream, failing_checks, file_facts, workers
from .parts import parts_tile


def health_tiles(reader: Reader, facts: Stream | None, computed: Computed) -> list:
    if facts is None:
        why = reader.missing or "it is made by the first ingest"
        return [tile("Lake", "not there yet", why, is_concern=True)]
    unknown = 0 if facts.unknown is None else facts.unknown.height
    return [
        _rate_tile(facts),
        _newest_tile(facts),
        _rejects_tile(facts),
        _workers_tile(workers(reader)),
        _computed_tile(computed),
        tile(
            "Landed since",
            words.count(computed.records_since),
            "records that the outcomes do not know yet",
        ),
        parts_tile(reader),
        _checks_tile(reader),
        _files_tile(reader),
        tile("Content unknown", words.count(unknown), "fields, values or instruments"),
    ]


def _rate_tile(facts: Stream):
    return tile(
        "Events a second, last minute",
        words.number(facts.events_per_s, 1),
        facts.why_unknown or f"{words.count(facts.rows)} rows landed in all",
        is_concern=facts.why_unknown is not None,
    )


def _newest_tile(facts: Stream):
    landed = "nothing landed yet"
    if facts.landed_at:
        newest = words.moment(facts.newest_event_at)
        landed = f"{newest}; last landed {ago(facts.landed_at)}"
    return tile("Newest event", ago(facts.newest_event_at), landed)


def _rejects_tile(facts: Stream):
    text = f"{facts.unread_safety} of safety topics not yet replayed"
    if facts.why_unknown:
        text += f"; {ago(facts.landed_at)}, since then {facts.why_unknown}"
    is_concern = facts.unread_safety > 0
    return tile("Rejected records", words.count(facts.rejects), text, is_concern=is_concern)


def _workers_tile(beats: list[dict]):
    if not beats:
        return tile("Workers", "none seen", "no ingest process has run in this home")
    n_running = sum(beat["health"] == "ok" for beat in beats)
    return tile(
        "Workers",
        f"{n_running} of {len(beats)} running",
        ", ".join(f"{beat['worker']} {beat['health']}" for beat in beats),
        is_concern=n_running < len(beats),
    )


def _computed_tile(computed: Computed):
    cut = computed.data_cutoff
    text = f"data to {words.moment(cut)}" if cut else "never"
    return tile("Outcomes computed", ago(computed.started_at), text)


def _checks_tile(reader: Reader):
    if why_unknown(reader, MART_TABLES["check_results"].full_name):
        return tile("Checks that fail", words.NOTHING, "not known: no check has run")
    failing = failing_checks(reader).height
    return tile(
        "Checks that fail", words.count(failing), "of the marts' promises", is_concern=failing > 0
    )


def _files_tile(reader: Reader):
    """Whether upkeep keeps up, and whether it stopped."""
    files = reader.inspect(file_facts, name="files", max_age_s=60)
    if files is None:
        return tile("Small files", words.NOTHING, "not known")
    most, table, n_faults = files
    if n_faults:
        return tile(
            "Small files",
            words.count(most),
            "upkeep stopped: floe upkeep says why",
            is_concern=True,
        )
    text = f"in {table}, below 1 MiB; upkeep merges them" if table else "there is no file yet"
    return tile("Small files", words.count(most), text, is_concern=most > MOST_SMALL_FILES)


def ago(at: datetime | None) -> str:
    if at is None:
        return words.NOTHING
    return f"{spoken(max(0.0, (datetime.now(UTC) - at).total_seconds()))} ago"
