"""How many records could not be read: copies are one, what was read since is none.

Here: rejects and the number. Not here: the marts that show it (marts/test_adverse_event_rates.py).
"""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from transforms.records.unread import unread_records
from transforms.schemas.raw import REJECTS

NOON = datetime(2025, 3, 3, 12, tzinfo=UTC)
LATER, LAST = NOON + timedelta(hours=1), NOON + timedelta(hours=2)
BATCH = {"reason": "unreadable_batch", "value": b"bytes of a batch"}


def rejects(*rows):
    given = {"kafka_topic": "t", "kafka_topic_id": "i", "kafka_partition": 0, "reason": "json"}
    given |= {"is_safety": True, "ingested_at": NOON}
    full = [given | {"kafka_offset": k} | row for k, row in enumerate(rows)]
    return pl.DataFrame(
        [{name: row.get(name) for name in REJECTS.names} for row in full],
        schema=REJECTS.polars_schema,
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], 0),
        ([{"value": b"a"}, {"value": b"b"}], 2),
        ([{"value": b"a"}, {"value": b"a", "ingested_at": LATER}], 1),  # sent twice
        ([{"value": b"a"}, {"value": b"a", "kafka_topic_id": "i#2"}], 1),  # its log landed again
        ([{"value": b"a"}, {"value": b"a", "kafka_topic": "u"}], 2),
        ([{"checksum": "c"}, {"checksum": "c"}], 1),
        ([{"value": None}, {"value": None}, {"value": b""}, {"value": b""}], 4),  # nothing tells
        ([BATCH, BATCH], 2),  # two records of one batch
        ([{"value": b"a", "replayed_at": LATER}], 0),
        ([{"value": b"a", "replayed_at": LATER}, {"value": b"a"}], 0),  # its copy was read
        (
            [{"value": b"a", "replayed_at": LATER}, {"value": b"a", "ingested_at": LAST}],
            1,  # it was set aside again
        ),
    ],
)
def test_copies_of_an_unreadable_record_are_one(rows, expected):
    """By topic and bytes; each counts where its own bytes are not known."""
    assert unread_records(rejects(*rows)) == expected
