"""What a source has to say beside records: each is a sentence by str().

Here: the sentences and what they are of. Not here: when they are said (source.py), what follows
(worker.py).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Assigned:
    """A partition that this worker reads from now on, from `position`."""

    topic: str
    topic_id: str
    partition: int
    position: int

    def __str__(self):
        return f"reading {self.topic}/{self.partition} from position {self.position}"


@dataclass(frozen=True)
class TopicRecreated:
    """Another topic goes by this name now; it is read from its beginning, what was unread of the
    old one is gone.
    """

    topic: str
    old_topic_id: str
    topic_id: str

    def __str__(self):
        return (
            f"the topic {self.topic} was deleted and made again (id {self.old_topic_id}, now {self.topic_id}): "
            "the new one is read from its beginning"
        )


@dataclass(frozen=True)
class TopicGone:
    topic: str
    topic_id: str

    def __str__(self):
        return f"the topic {self.topic} (id {self.topic_id}) was deleted: nothing of it is read any more"


@dataclass(frozen=True)
class PositionLost:
    """Kafka deleted records from `position` on before they were read: it starts at `earliest`, ends
    at `end`. Not read on until `seek`.
    """

    topic: str
    topic_id: str
    partition: int
    position: int
    earliest: int
    end: int

    def __str__(self):
        return (
            f"{self.topic}/{self.partition} stands at {self.position}, and {self.earliest - self.position} positions were "
            "deleted (retention) before they were read"
        )


@dataclass(frozen=True)
class LogParted:
    """Kafka's log is not the one that was read up to `position`. Not read on until `go_on`. `why`:
    what was found.
    """

    topic: str
    topic_id: str
    partition: int
    position: int
    why: str

    def __str__(self):
        return f"{self.topic}/{self.partition} stands at {self.position:,}, and {self.why}"


@dataclass(frozen=True)
class Unproved:
    """Partitions that are read on without proof that the log is still the one that was read, all
    for one reason.
    """

    partitions: tuple[tuple[str, int], ...]
    reason: str

    def __str__(self):
        topic, number = self.partitions[0]
        more = f" and {len(self.partitions) - 1} more" if len(self.partitions) > 1 else ""
        return f"that Kafka's log is still the one that landed can't be proved for {topic}/{number}{more}: {self.reason}"


@dataclass(frozen=True)
class BeginningMissing:
    """A partition read for the first time whose records before `earliest` are not there any
    more.
    """

    topic: str
    topic_id: str
    partition: int
    earliest: int

    def __str__(self):
        return (
            f"{self.topic}/{self.partition} begins at position {self.earliest}: what came before was deleted before "
            "Floe first looked, and is unknown; the ledger says so"
        )


@dataclass(frozen=True)
class SharedKafka:
    """Another lake lands from this Kafka too."""

    bootstrap: str
    other: str

    def __str__(self):
        return (
            f"another lake lands from the Kafka at {self.bootstrap} too ({self.other}): both hold all of its events; "
            "if that is not meant, set FLOE_BROKER_PORT or FLOE_KAFKA_BOOTSTRAP"
        )


@dataclass(frozen=True)
class BrokerLost:
    reason: str

    def __str__(self):
        return f"{self.reason}; trying again until it does"


@dataclass(frozen=True)
class BrokerBack:
    after_s: float

    def __str__(self):
        return f"Kafka answers again, after {self.after_s:.0f} s"


Notice = (
    Assigned
    | TopicRecreated
    | TopicGone
    | PositionLost
    | LogParted
    | Unproved
    | BeginningMissing
    | SharedKafka
    | BrokerLost
    | BrokerBack
)
