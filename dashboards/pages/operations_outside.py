"""The operations page for a reader from outside the clinic: health in words.

Here: its tiles and sentences. Not here: the page of the clinic's own staff (operations.py).

No count, no moment and no name of a topic, reason or worker: one record more would be told by any of them, and when it
came. What is said changes with the state of the system, never with a single record, but for the first that is rejected.
"""

from datetime import UTC, datetime, timedelta

from dash import html

from .. import words
from ..components import Drawn, nothing, table_of, tile, tiles
from ..reader import Reader
from ..theme import Look
from .base import waiting
from .operations_facts import computed_facts, failing_checks, stream_facts, workers

STAFF_ONLY = "Shown to the clinic's own staff only."
_RECENT, _TODAY = timedelta(hours=1), timedelta(days=1)


def chart(*, of: Look) -> Drawn:
    """In place of a chart of live counts."""
    return nothing(STAFF_ONLY, of=of)


def health(reader: Reader):
    """The tiles: whether records land, whether ingest runs, whether outcomes are released and their checks pass."""
    facts = stream_facts(reader)
    if facts is None:
        return tiles([tile("Lake", "not there yet", waiting(reader), is_concern=True)])
    return tiles(
        [_landing(facts.landed_at), _ingest(reader), _records(facts.rejects > 0), _released(reader), _checks(reader)]
    )


def failing(reader: Reader):
    """Which checks fail, by name alone."""
    rows = failing_checks(reader).select("table", "check")
    return table_of(
        rows, caption="Checks that fail", none="Every check of the marts' promises passes, or none has run."
    )


def for_staff():
    return html.P(STAFF_ONLY, className="small")


def _landing(landed_at: datetime | None):
    if landed_at is None:
        return tile("Records", "none yet", "nothing has landed")
    age = datetime.now(UTC) - landed_at
    said = "landing" if age < _RECENT else "landed today" if age < _TODAY else "none for more than a day"
    return tile("Records", said, "whether records arrive, to the hour", is_concern=age >= _TODAY)


def _ingest(reader: Reader):
    is_well = [beat["health"] == "ok" for beat in workers(reader)]
    if not is_well:
        return tile("Ingest", "not seen", "no ingest process has run in this home")
    said = "running" if all(is_well) else "running in part" if any(is_well) else "not running"
    return tile("Ingest", said, "the processes that read from Kafka", is_concern=not all(is_well))


def _records(has_rejects: bool):
    said = "some" if has_rejects else "none"
    return tile("Rejected records", said, "kept whole and set aside; the clinic's staff sees how many")


def _released(reader: Reader):
    computed = computed_facts(reader)
    if computed.started_at is None:
        return tile("Outcomes released", "never", "the first that count a patient make the first release")
    return tile("Outcomes released", f"{computed.started_at:%Y-%m-%d}", f"data to {words.moment(computed.data_cutoff)}")


def _checks(reader: Reader):
    is_failing = failing_checks(reader).height > 0
    said = "some fail" if is_failing else "none fails"
    return tile("Checks of the marts", said, "whether tables are as promised", is_concern=is_failing)
