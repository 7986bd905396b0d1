"""Positions of which no record lands: deleted before they were read, unknown, or of a log that parted.

Here: a batch of each kind, for the ledger. Not here: landing it (landing.py), when there is one
(source.py, parting.py).
"""

from typing import ClassVar

from .notices import BeginningMissing, PositionLost
from .source import Batch


class LostBatch(Batch):
    """Positions whose records Kafka deleted before they were read: the ledger's row says `lost`."""

    mark: ClassVar[str] = "lost"


class UnknownBatch(LostBatch):
    """Positions before the first record that there was when the partition was first read:
    `unknown`.
    """

    mark: ClassVar[str] = "unknown"


class PartedBatch(LostBatch):
    """Positions of a new log that are those of the log before it, up to where the two part:
    `parted`.
    """

    mark: ClassVar[str] = "parted"


class BeginningBatch(LostBatch):
    """A new log that is landed from its beginning, though another one has landed: `beginning`."""

    mark: ClassVar[str] = "beginning"


def unknown_batch(missing: BeginningMissing) -> UnknownBatch:
    """What to land before the first record of a partition whose beginning is not there any more."""
    return UnknownBatch(
        missing.topic, missing.topic_id, missing.partition, 0, missing.earliest, [], [], []
    )


def lost_batch(lost: PositionLost) -> LostBatch:
    """What to land in order to go on at the earliest record there is."""
    return LostBatch(
        lost.topic, lost.topic_id, lost.partition, lost.position, lost.earliest, [], [], []
    )
