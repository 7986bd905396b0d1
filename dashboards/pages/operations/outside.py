"""The operations page for a reader from outside the clinic: health in words.

Here: its tiles and sentences. Not here: the page of the clinic's own staff (page.py).

No count, no moment and no name of a topic, reason or worker: one record more would be told by any
of them, and when it came. What is said changes with the state of the system, never with a single
record, but for the first that is rejected.
"""

from datetime import UTC, datetime, timedelta

from dash import html

from ingest.lake import Lake

from ... import words
from ...components import Drawn, nothing, tile, tiles
from ...computed import computed_facts
from ...gate import seen_from_outside
from ...reader import Reader
from ...tables import table_of
from ...theme import Look
from ..base import STAFF_ONLY, waiting
from .facts import failing_checks, workers

_RECENT, _TODAY = timedelta(hours=1), timedelta(days=1)
_LONG_AGO = "none for more than a day"
_STREAM = """
SELECT max(landed_at) AS landed_at, coalesce(sum(rejects), 0) > 0 AS has_rejects FROM raw.ledger
"""


def chart(*, of: Look) -> Drawn:
    """In place of a chart of live counts."""
    return nothing(STAFF_ONLY, of=of)


def health(reader: Reader):
    """The tiles: whether records land, whether ingest runs, whether outcomes are released and their
    checks pass.
    """
    stream = reader.inspect(_stream, name="stream in words", max_age_s=2)
    if stream is None:
        return tiles([tile("Lake", "not there yet", waiting(reader), is_concern=True)])
    landing, has_rejects = stream
    return tiles(
        [
            _landing(landing),
            _ingest(reader),
            _records(has_rejects),
            _released(reader),
            _checks(reader),
        ]
    )


@seen_from_outside
def _stream(lake: Lake) -> tuple[str | None, bool]:
    """How it goes in words, to the hour (None: nothing landed), and whether anything was
    rejected.
    """
    landed_at, has_rejects = lake.sql(_STREAM).row(0)
    if landed_at is None:
        return None, has_rejects
    age = datetime.now(UTC) - landed_at
    return (
        "landing" if age < _RECENT else "landed today" if age < _TODAY else _LONG_AGO,
        has_rejects,
    )


def failing(reader: Reader):
    """Which checks fail, by name alone."""
    rows = failing_checks(reader).select("table", "check")
    return table_of(
        rows,
        caption="Checks that fail",
        none="Every check of the marts' promises passes, or none has run.",
    )


def for_staff():
    return html.P(STAFF_ONLY, className="small")


def _landing(state: str | None):
    if state is None:
        return tile("Records", "none yet", "nothing has landed")
    return tile(
        "Records", state, "whether records arrive, to the hour", is_concern=state == _LONG_AGO
    )


def _ingest(reader: Reader):
    is_well = [beat["health"] == "ok" for beat in workers(reader)]
    if not is_well:
        return tile("Ingest", "not seen", "no ingest process has run in this home")
    state = "running" if all(is_well) else "running in part" if any(is_well) else "not running"
    return tile("Ingest", state, "the processes that read from Kafka", is_concern=not all(is_well))


def _records(has_rejects: bool):
    state = "some" if has_rejects else "none"
    return tile(
        "Rejected records", state, "kept whole and set aside; the clinic's staff sees how many"
    )


def _released(reader: Reader):
    computed = computed_facts(reader)
    if computed.started_at is None:
        return tile(
            "Outcomes released", "never", "the first that count a patient make the first release"
        )
    return tile(
        "Outcomes released",
        f"{computed.started_at:%Y-%m-%d}",
        f"data to {words.moment(computed.data_cutoff)}",
    )


def _checks(reader: Reader):
    is_failing = failing_checks(reader).height > 0
    state = "some fail" if is_failing else "none fails"
    return tile(
        "Checks of the marts", state, "whether tables are as promised", is_concern=is_failing
    )
