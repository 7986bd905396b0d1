"""Whether the lake answers, in a sentence.

Here: the question and its words, by who asks. Not here: reading (reader.py).
"""

from ingest.lake import Lake
from transforms.errors import FloeError

from .gate import seen_from_outside
from .reader import Reader


def is_readable(reader: Reader) -> tuple[bool, str]:
    """Whether the lake answers, and a sentence that says so; which snapshot it is tells how many
    records have landed, so that it is for whom all of the lake is open.
    """
    try:
        answered_in = reader.inspect(_snapshot, name="answers", max_age_s=0.0)
        if answered_in is None:
            return False, reader.missing or "the lake is not there yet"
        return (
            True,
            f"the lake answers, snapshot {answered_in}"
            if reader.gate.is_whole
            else "the lake answers",
        )
    except FloeError as error:
        return False, str(error) if reader.gate.is_whole else "the lake does not answer"


@seen_from_outside
def _snapshot(lake: Lake) -> int:
    lake.sql(
        "SELECT max(landed_at) FROM raw.ledger"
    )  # a snapshot alone is told though every file is gone
    return lake.snapshot()
