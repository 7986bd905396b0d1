"""Whether Kafka's log still is the one that was read up to a position: it is asked at each
assignment, and again whenever the broker may have been another one meanwhile.

Here: the rule, the questions that it needs, the names of logs. Not here: when they are asked
(source.py), what follows (worker.py), where a log and the lake part (parting.py).

A broker that was put back to an older state (a restored disk, a lost tail, a replica that led
without being in sync) has the same topic ids and, with its own records put back too, the same
leader epochs; its end grows past any position in time. What can't come back is the last record that
was read, at its offset. Where that is gone (expired, compacted) its leader epoch, the log's start
and end and the time of what follows may still contradict; where they don't, that is no proof, and
is said.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from .last_record import LastRecord, milliseconds
from .log_names import current_logs
from .record_batches import recalled
from .wire import Got, TopicState, Want, Wire

_CLOCK_STEP_MS = 2000  # by which a broker's clock may be set back without a contradiction
NO_PARTITION = "the topic has no such partition any more"


@dataclass(frozen=True)
class Standing:
    """`position`: of the next record to read. `last`: the last one read before it; None where none
    is remembered (a lake of an earlier release, a position behind deleted records).
    """

    position: int
    last: LastRecord | None = None


@dataclass(frozen=True)
class Evidence:
    """What the log says. `end` counts records of open transactions. `record`: what stands at the
    offset of the last one read, None where nothing does any more. `epoch_end`: where the records of
    its leader epoch and earlier ones end, -1 where the log knows no such epoch, None where there is
    no contradiction. `later_from`: the first record appended later than it; -1 without one, None
    where the times are not Kafka's.
    """

    earliest: int
    end: int
    record: LastRecord | None = None
    epoch_end: int | None = None
    later_from: int | None = None


class Outcome(Enum):
    AGREES = "agrees"
    UNPROVED = "unproved"
    PARTED = "parted"


@dataclass(frozen=True)
class Verdict:
    outcome: Outcome
    why: str = ""


def judged(standing: Standing, evidence: Evidence) -> Verdict:
    """Whether the log is the one that was read, and what was found where it isn't or where that
    can't be proved.
    """
    position, last = standing.position, standing.last
    if evidence.end < position:
        return _parted(
            f"the log ends at {evidence.end:,}: {position - evidence.end:,} positions that landed are not in it"
        )
    if last is None:
        return Verdict(
            Outcome.UNPROVED, "no record is remembered of it yet, the next landing remembers one"
        )
    if evidence.record is not None:
        if evidence.record.is_same(last):
            return Verdict(Outcome.AGREES)
        return _parted(
            f"the record at {last.offset:,} is not the one that landed from there ({_difference(evidence, last)})"
        )
    if evidence.epoch_end is not None and evidence.epoch_end <= last.offset:
        return _parted(_epoch_contradicts(evidence.epoch_end, last))
    if evidence.later_from is not None and 0 <= evidence.later_from <= last.offset:
        return _parted(
            f"the record at {evidence.later_from:,} was appended later than the one that landed from {last.offset:,} "
            f"({last.appended_at:%Y-%m-%d %H:%M:%S} UTC)"
        )
    gone = (
        "has expired"
        if last.offset < evidence.earliest
        else "is not there any more (compacted, or unreadable)"
    )
    times = "" if last.appended_at else ", and the times in that topic are the producers'"
    return Verdict(
        Outcome.UNPROVED,
        f"the last record that landed {gone}; epoch and end of the log don't contradict{times}",
    )


def _parted(why: str) -> Verdict:
    return Verdict(Outcome.PARTED, why)


def _difference(evidence: Evidence, last: LastRecord) -> str:
    if evidence.record.checksum == last.checksum:
        return f"leader epoch {evidence.record.leader_epoch} instead of {last.leader_epoch}"
    return "its checksum differs"


def _epoch_contradicts(epoch_end: int, last: LastRecord) -> str:
    if epoch_end < 0:
        return f"the log knows no leader epoch {last.leader_epoch}, under which the last record that landed was appended"
    return f"the log's records up to leader epoch {last.leader_epoch} end at {epoch_end:,}"


@dataclass(frozen=True)
class Asked:
    """One partition that is asked about; `leader` is the node that leads it."""

    topic: str
    topic_id: str
    partition: int
    leader: int
    standing: Standing

    @property
    def key(self) -> tuple[str, int]:
        return self.topic, self.partition

    def want(self, position: int, *, last_epoch: int = -1) -> Want:
        return Want(self.topic_id, self.partition, position, last_epoch)


def examined(
    wire: Wire, topics: Iterable[TopicState], stored: Mapping[tuple[str, str, int], Standing]
) -> dict[tuple[str, str, int], Verdict]:
    """(topic, topic id, partition) -> the verdict, for the current log of each topic that is
    there.
    """
    by_id = {topic.topic_id: topic for topic in topics}
    asked, verdict_of = {}, {}
    for (topic, topic_id, partition), log_id in current_logs(stored).items():
        place, standing = (topic, log_id, partition), stored[(topic, log_id, partition)]
        if topic_id not in by_id or standing.position == 0:
            continue
        leader = by_id[topic_id].leaders.get(partition)
        if leader is None:
            verdict_of[place] = _parted(NO_PARTITION)
        elif leader >= 0:
            asked[(topic, partition)] = place, Asked(topic, topic_id, partition, leader, standing)
    answers = verdicts(wire, [one for _, one in asked.values()])
    return verdict_of | {asked[key][0]: verdict for key, verdict in answers.items()}


def verdicts(wire: Wire, asked: Iterable[Asked]) -> dict[tuple[str, int], Verdict]:
    """(topic, partition) -> the verdict; without those that can't be told at the moment (a leader
    that has just changed).

    Raises BrokerMissing.
    """
    asked = {one.key: one for one in asked}
    earliest, ends = wire.earliest(asked), wire.ends(asked, is_all=True)
    plain = {key: Evidence(earliest[key], ends[key]) for key in asked}
    there = [one for key, one in asked.items() if _is_inside(one.standing.last, plain[key])]
    evidence = plain | _with_records(wire, there, plain)
    evidence = {key: proof for key, proof in evidence.items() if proof is not None}
    unclear = [
        asked[key] for key, proof in evidence.items() if _is_unclear(asked[key].standing, proof)
    ]
    for key, more in _contradictions(wire, unclear, evidence).items():
        evidence[key] = replace(evidence[key], **more)
    return {key: judged(asked[key].standing, proof) for key, proof in evidence.items()}


def _with_records(
    wire: Wire, there: list[Asked], plain: Mapping
) -> dict[tuple[str, int], Evidence | None]:
    """The evidence with the record that stands at the last one's offset; None where it can't be
    read yet.
    """
    answers = _answers(wire, {one.key: (one, one.want(one.standing.last.offset)) for one in there})
    evidence: dict[tuple[str, int], Evidence | None] = dict.fromkeys(answers)
    for one in there:
        if (answer := answers[one.key]) is not None:
            record = recalled(answer.raw, one.standing.last, decompressors=wire.decompressors)
            evidence[one.key] = replace(plain[one.key], record=record)
    return evidence


def _is_inside(last: LastRecord | None, evidence: Evidence) -> bool:
    return last is not None and evidence.earliest <= last.offset < evidence.end


def _is_unclear(standing: Standing, evidence: Evidence) -> bool:
    return (
        standing.last is not None and evidence.record is None and standing.position <= evidence.end
    )


def _contradictions(
    wire: Wire, unclear: list[Asked], evidence: Mapping
) -> dict[tuple[str, int], dict]:
    """What epoch and time say of partitions whose last record is not there any more."""
    timed, by_epoch = {}, {}
    for one in unclear:
        last = one.standing.last
        if last.appended_at:
            timed[one.key] = milliseconds(last.appended_at) + _CLOCK_STEP_MS
        behind = max(last.offset + 1, evidence[one.key].earliest)
        if last.leader_epoch >= 0 and behind <= evidence[one.key].end:
            by_epoch[one.key] = (one, one.want(behind, last_epoch=last.leader_epoch))
    later = wire.appended_from(timed) if timed else {}
    answers = _answers(wire, by_epoch, is_bytes=False)
    ends = {
        key: answer.end
        for key, answer in answers.items()
        if answer is not None and answer.outcome == "lost"
    }
    return {
        one.key: {"later_from": later.get(one.key), "epoch_end": ends.get(one.key)}
        for one in unclear
    }


def _answers(
    wire: Wire, wanted: Mapping, *, is_bytes: bool = True
) -> dict[tuple[str, int], Got | None]:
    """(topic, partition) -> the answer; None where it can't be given yet.

    Asked together; whoever then got no bytes, because the broker's answer was full, is asked alone.
    """
    by_node: dict[int, list] = defaultdict(list)
    for one, want in wanted.values():
        by_node[one.leader].append((one, want))
    answers: dict[tuple[str, int], Got | None] = dict.fromkeys(wanted)
    for node, pairs in by_node.items():
        keys = {(want.topic_id, want.partition): one.key for one, want in pairs}
        for answer in wire.ask(node, [want for _, want in pairs], is_all=True):
            answers[keys[(answer.topic_id, answer.partition)]] = answer
        for one, want in pairs:
            answer = answers[one.key]
            if (
                is_bytes
                and len(pairs) > 1
                and answer is not None
                and answer.outcome == "data"
                and not answer.raw
            ):
                [answers[one.key]] = wire.ask(node, [want], is_all=True)
            answers[one.key] = _definite(answers[one.key], want, is_bytes=is_bytes)
    return answers


def _definite(answer: Got | None, want: Want, *, is_bytes: bool) -> Got | None:
    if answer is None or answer.outcome == "moved":
        return None
    is_unreadable_yet = (
        is_bytes
        and answer.outcome == "data"
        and not answer.raw
        and answer.readable_to <= want.position
    )
    return None if is_unreadable_yet else answer
