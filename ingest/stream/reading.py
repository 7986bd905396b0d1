"""Reading the contract's topics over Kafka, and whether their logs are the ones that landed.

Here: a Poller over Kafka's own wire. Not here: what is read when (source.py), the wire
(kafka_wire.py).
"""

from collections.abc import Callable, Mapping
from contextlib import closing

from .. import cluster
from ..log_agreement import Standing, Verdict, examined
from ..notices import SharedKafka
from ..source import Poller
from .kafka_wire import KafkaWire


def log_verdicts(
    settings, stored: Mapping[tuple[str, str, int], Standing]
) -> dict[tuple[str, str, int], Verdict]:
    """(topic, topic id, partition) of `stored` -> whether Kafka's log is the one that landed;
    without those of which that can't be told at the moment, and those of topics that are gone.
    Raises BrokerMissing.
    """
    with closing(KafkaWire(settings, "floe")) as wire:
        return examined(wire, wire.topics(), stored)


class Source(Poller):
    """One worker's part of every topic of the contract, read from where the lake stands; see
    source.Poller.

    `stored`: gives {(topic, topic id, partition): Standing} of what has landed, asked for when
    partitions are assigned; None reads all from the beginning. `group` is the name under which
    `commit` tells the broker how far we are. Topics and partitions that are made later are noticed
    within seconds. Raises BrokerMissing where no Kafka answers; once open it outlasts any outage
    (`unreachable_s`, `notices`).
    """

    def __init__(
        self,
        settings,
        *,
        group: str = "floe",
        worker: tuple[int, int] = (1, 1),
        stored: Callable[[], Mapping[tuple[str, str, int], Standing]] | None = None,
    ):
        wire = KafkaWire(settings, group)
        try:
            cluster.require_own(settings, wire.cluster_id())
            super().__init__(wire, worker=worker, stored=stored)
            self._notices[:0] = [SharedKafka(settings.bootstrap, other) for other in wire.others()]
        except BaseException:
            wire.close()
            raise
