"""Whether Kafka's log is the one that landed, in sentences: for floe verify, floe status, and
whoever waits.

Here: asking for it of all that landed, and the sentences. Not here: the rule (log_agreement.py),
the lake's own books (inspection.py).
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from transforms.errors import LogsParted

from . import stream
from .lake import Lake
from .log_agreement import Outcome
from .log_names import current_logs
from .positions import stored_standings

_SHOWN = 5
_AFTER_PARTING = "floe ingest stops until it is decided how to go on, and says what the choices are"


def log_proofs(lake: Lake, settings) -> Iterator[tuple[bool | None, str]]:
    """Whether Kafka's log is the one that landed: lag 0 says nothing of a log that ends before the
    lake's position, or that has another record there. One sentence each, as of `proofs`; raises
    BrokerMissing.
    """
    stored = stored_standings(lake)
    verdicts = stream.log_verdicts(settings, stored)
    counts = Counter(verdict.outcome for verdict in verdicts.values())
    parted = counts[Outcome.PARTED]
    yield (
        parted == 0,
        f"Kafka's log holds the last record that landed of {counts[Outcome.AGREES]} partitions ({parted} parted from it)",
    )
    yield from (
        (False, f"{sentence}: {_AFTER_PARTING}")
        for sentence in _parting_sentences(stored, verdicts)
    )
    unproved: dict[str, list[str]] = {}
    for (topic, _, partition), verdict in verdicts.items():
        if verdict.outcome is Outcome.UNPROVED:
            unproved.setdefault(verdict.why, []).append(f"{topic}/{partition}")
    for why, names in unproved.items():
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield (
            None,
            f"whether Kafka's log is the one that landed, of {', '.join(sorted(names)[:_SHOWN])}{more}: {why}",
        )
    current = [
        (topic, log_id, number) for (topic, _, number), log_id in current_logs(stored).items()
    ]
    untold = sum(stored[place].position > 0 for place in current) - len(verdicts)
    if untold:
        yield (
            None,
            f"whether Kafka's log is the one that landed, of {untold} partitions of topics that are gone or not led",
        )


def require_one_log(lake: Lake, settings) -> None:
    """LogsParted, with what was found, where Kafka's log is not the one that landed. Raises
    BrokerMissing.
    """
    stored = stored_standings(lake)
    if sentences := _parting_sentences(stored, stream.log_verdicts(settings, stored)):
        more = f" (and {len(sentences) - 1} more)" if len(sentences) > 1 else ""
        raise LogsParted(
            f"Kafka's log is not the one that landed: {sentences[0]}{more}; {_AFTER_PARTING}"
        )


def _parting_sentences(stored: Mapping, verdicts: Mapping) -> list[str]:
    return [
        f"{place[0]}/{place[2]}: the lake stands at {stored[place].position:,}, and {verdict.why}"
        for place, verdict in verdicts.items()
        if verdict.outcome is Outcome.PARTED
    ]
