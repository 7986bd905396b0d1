"""Names of logs: Kafka's topic id, and behind it `#2` and so on for each log of it that parted from
the one before.

Here: making and reading such a name. Not here: whether a log is the one that was read
(log_agreement.py).
"""

from collections.abc import Iterable

_LOG = "#"


def topic_id_of(log_id: str) -> str:
    """Kafka's own id of the log's topic."""
    return log_id.partition(_LOG)[0]


def log_number(log_id: str) -> int:
    """1 for the first log of a topic's partition, 2 for the one that parted from it, and so on."""
    number = log_id.partition(_LOG)[2]
    if not number:
        return 1
    return int(number)


def following_log(log_id: str) -> str:
    """The name of the log that parted from this one."""
    return f"{topic_id_of(log_id)}{_LOG}{log_number(log_id) + 1}"


def log_before(log_id: str) -> str:
    """The name of the log that this one parted from."""
    number = log_number(log_id) - 1
    return topic_id_of(log_id) + (f"{_LOG}{number}" if number > 1 else "")


def current_logs(logs: Iterable[tuple[str, str, int]]) -> dict[tuple[str, str, int], str]:
    """(topic, Kafka's topic id, partition) -> the newest of its logs."""
    newest: dict[tuple[str, str, int], str] = {}
    for topic, log_id, partition in logs:
        place = (topic, topic_id_of(log_id), partition)
        newest[place] = max(newest.get(place, log_id), log_id, key=log_number)
    return newest
