"""How a topic must be set so that no record vanishes before it is read. Pure.

Here: the settings, what is wrong with others, the remedy. Not here: asking Kafka (stream/), who
says it (doctor, status).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_DAY_MS = 86_400_000

# setting, the value that keeps records, what another one does
ARRIVAL = (
    "message.timestamp.type",
    "LogAppendTime",
    "retention counts from the time that a producer stamps, so that records of the past are deleted within minutes",
)
_WHOLE = (
    "cleanup.policy",
    "delete",
    "of the records of a key only the last is kept, the others are deleted unread",
)
_SIZE = (
    "retention.bytes",
    "-1",
    "records are deleted when the topic grows, however young they are",
)
_RETENTION = "retention.ms"
ASKED = (ARRIVAL[0], _WHOLE[0], _SIZE[0], _RETENTION)


@dataclass(frozen=True)
class TopicFault:
    """A topic's setting by which records may be lost; str() is a sentence."""

    topic: str
    setting: str
    value: str
    consequence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.topic} has {self.setting}={self.value}: {self.consequence}"


def faults(
    configs: Mapping[str, Mapping[str, str]], *, bootstrap: str, retention_days: float
) -> list[TopicFault]:
    """The faults of topics: `configs` is topic -> setting -> value. A setting that Kafka does not
    tell is no fault.

    `retention_days`: for how long records are expected to stay (FLOE_KAFKA_RETENTION_DAYS).
    """
    return [
        fault
        for topic, config in sorted(configs.items())
        for fault in _of(topic, config, bootstrap, retention_days)
    ]


def _of(
    topic: str, config: Mapping[str, str], bootstrap: str, retention_days: float
) -> Iterator[TopicFault]:
    def fault(setting: str, right: str, consequence: str) -> TopicFault:
        change = f"kafka-configs.sh --bootstrap-server {bootstrap} --alter --topic {topic} --add-config {setting}={right}"
        return TopicFault(
            topic, setting, config[setting], consequence, f"{change} (or ask who runs that Kafka)"
        )

    for setting, right, consequence in (ARRIVAL, _WHOLE, _SIZE):
        if config.get(setting, right) != right:
            yield fault(setting, right, consequence)
    kept_ms, wanted_ms = int(config.get(_RETENTION, -1)), int(retention_days * _DAY_MS)
    if 0 <= kept_ms < wanted_ms:
        days = f"{kept_ms / _DAY_MS:.3g} days, FLOE_KAFKA_RETENTION_DAYS says {retention_days:g}"
        yield fault(_RETENTION, str(wanted_ms), f"what is not landed within {days} is lost")
