"""What of a record may tell of an arm: fields that do in a row of a study, and, where no field of
the contract says so, rejects and fields that the contract does not know.

Here: that, by the words of names and values. Not here: which fields of the contract tell
(transforms/facts/masking.py), sealing (sealing.py).

An arm that goes by a word of its own in a field whose name says nothing of a group can't be known.
"""

import re

import orjson

from transforms.facts.masking import NOT_SHOWN, TELLING
from transforms.schemas import RAW_TABLES, TOPIC_BY_NAME

from .contract import ATTRIBUTES, TOPIC_BY_TYPE

# A record that is of no topic of ours, or of another, and names what tells of an arm
_WORDS = re.compile(
    rb"(?i)(?<![a-z])arms?(?![a-z])|allocat|random|group|blind|sham|placebo|reference_arm|analysis_sets"
    rb"|study_id|study_enrol|\\u00"
)
_FURTHER = {"baseline_covariates", "extra"}  # of a patient, whether in a study or not
_TOPICS = frozenset(TOPIC_BY_NAME[name].type for name in TELLING)
_FIRST_NAME = re.compile(r"(?:data\.)?([^.\[]*)")


def tells(topic: str) -> bool:
    """Whether records of this Kafka topic may tell of an arm."""
    return topic in _TOPICS


def may_tell(topic: str, *parts: bytes | str | None) -> bool:
    """Whether a record of this Kafka topic that could not be read may: its bytes, its headers."""
    is_ours = topic in TOPIC_BY_TYPE
    return tells(topic) or not is_ours or any(names_an_arm(part) for part in parts if part)


def names_an_arm(text: bytes | str) -> bool:
    """Whether a word for groups of a study stands in the text."""
    return bool(_WORDS.search(text.encode() if isinstance(text, str) else text))


def telling_fields(row: dict, columns: list[str]) -> bytes | None:
    """What tells of an arm in a row; nothing of a patient in routine care without one, whose
    further fields are for people to see, unless they name a study or an arm (an earlier release
    knew neither).
    """
    given = {c: row[c] for c in columns if row[c] is not None}
    is_routine = row["study_id"] is None and given.keys() <= _FURTHER
    if not given or (is_routine and not names_an_arm("".join(given.values()))):
        return None
    return orjson.dumps(given, option=orjson.OPT_SORT_KEYS)


def parted(fields: dict) -> tuple[dict, dict]:
    """The unknown fields of a record: those to see, and those that may tell."""
    telling = {n: v for n, v in fields.items() if names_an_arm(orjson.dumps({n: v}))}
    return {n: v for n, v in fields.items() if n not in telling}, telling


def shown_field(topic: str, field: str | None) -> str | None:
    """What is said of the field for which such a record was set aside: the contract's own name."""
    if field is None:
        return None
    known = {*ATTRIBUTES, "data"}
    if topic in TOPIC_BY_TYPE:
        known |= set(RAW_TABLES[TOPIC_BY_TYPE[topic].name].names)
    first = _FIRST_NAME.match(field)
    return first[1] if first and first[1] in known else NOT_SHOWN
