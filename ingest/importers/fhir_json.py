"""FHIR's JSON as far as it is read: files of resources, the fields of an Observation, FHIR's times.

Here: R4, R4B and R5, a resource, a Bundle or NDJSON a line each. Not here: what an Observation
means (fhir.py).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from ingest.contract import EARLIEST_YEAR, LATEST_YEAR
from transforms.errors import UnreadableFile, UsageError

from .lines import Unread, bytes_of, excerpt, opened
from .localtime import instant

_EXPECTED = "expected FHIR as JSON: a resource, a Bundle, or NDJSON of a resource a line"


class _Element(msgspec.Struct, rename="camel", frozen=True):
    """An element of FHIR; fields that are not named here are passed over."""


class Coding(_Element):
    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(_Element):
    coding: list[Coding] = []
    text: str | None = None


class Identifier(_Element):
    system: str | None = None
    value: str | None = None


class Reference(_Element):
    reference: str | None = None
    identifier: Identifier | None = None


class Quantity(_Element):
    value: float | None = None
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Period(_Element):
    start: str | None = None
    end: str | None = None


class Meta(_Element):
    version_id: str | None = None
    last_updated: str | None = None


class Observation(_Element):
    id: str | None = None
    meta: Meta = Meta()
    implicit_rules: str | None = None
    modifier_extension: list[msgspec.Raw] = []
    identifier: list[Identifier] = []
    status: str | None = None
    code: CodeableConcept = CodeableConcept()
    method: CodeableConcept = CodeableConcept()
    subject: Reference | None = None
    focus: list[msgspec.Raw] = []
    device: Reference = Reference()
    effective_date_time: str | None = None
    effective_instant: str | None = None
    effective_period: Period | None = None
    issued: str | None = None
    value_quantity: Quantity | None = None
    value_integer: int | None = None
    value_codeable_concept: CodeableConcept | None = None
    body_site: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    body_structure: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Request(_Element):
    method: str | None = None
    url: str | None = None


class _Entry(_Element):
    resource: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    request: _Request = _Request()


class _Head(_Element):
    resource_type: str
    entry: list[msgspec.Raw] = []


_MARK = b"\xef\xbb\xbf"
_HEAD = msgspec.json.Decoder(_Head)
_HELD = msgspec.json.Decoder(_Entry)
_OBSERVATION = msgspec.json.Decoder(Observation)


@dataclass(frozen=True)
class Deleted:
    """An entry of a history that says that a resource was deleted on its server."""

    kind: str
    id: str


Resource = tuple[str, "bytes | msgspec.Raw | Deleted"]


def resources(path: Path, *, unread: Unread) -> Iterator[Resource]:
    """The resources of a file, each with its type: Bundles' entries one by one, however deep,
    NDJSON line by line.

    A file whose first line is a JSON text of its own is NDJSON; a line of it that is no resource
    goes to `unread` and the rest goes on. Files may be gzip. Raises UnreadableFile for what is no
    JSON or has no resourceType.
    """
    if not _is_ndjson(path):
        unpacked = _unpacked(bytes_of(path, expected=_EXPECTED))
        if isinstance(unpacked, str):
            raise UnreadableFile(f"{path}: {unpacked}")
        yield from unpacked
        return
    is_fhir = False
    with opened(path, expected=_EXPECTED) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            unpacked = _unpacked(line.removeprefix(_MARK))
            if isinstance(unpacked, str):
                unread.add(path, number, unpacked)
                continue
            is_fhir = True
            yield from unpacked
    if not is_fhir and path in unread.by_file:
        number, why = next(iter(unread.by_file.pop(path).items()))
        raise UnreadableFile(f"{path}, line {number}: {why}")


def _is_ndjson(path: Path) -> bool:
    with opened(path, expected=_EXPECTED) as file:
        first = next((line for line in file if line.strip()), b"")
    try:
        msgspec.json.decode(first.removeprefix(_MARK), type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return path.name.removesuffix(".gz").endswith((".ndjson", ".jsonl"))
    return True


def _unpacked(text: bytes) -> list[Resource] | str:
    """The resources of one JSON text, or why it is none."""
    unpacked: list[Resource] = []
    waiting: list[bytes | msgspec.Raw] = [text]
    try:
        while waiting:
            one = waiting.pop()
            head = _HEAD.decode(one)
            if head.resource_type != "Bundle":
                unpacked.append((head.resource_type, one))
                continue
            entries = [_HELD.decode(entry) for entry in head.entry]
            unpacked += [deleted for entry in entries if (deleted := _deleted(entry))]
            waiting += [
                entry.resource for entry in reversed(entries) if entry.resource is not msgspec.UNSET
            ]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"found {excerpt(text)} ({error}), {_EXPECTED}"
    return unpacked


def _deleted(entry: "_Entry") -> Resource | None:
    if entry.request.method != "DELETE" or entry.resource is not msgspec.UNSET:
        return None
    kind, _, id = (entry.request.url or "").split("?")[0].rpartition("/")
    kind = kind.rpartition("/")[2] or "a resource"
    return kind, Deleted(kind, id)


def observation(text: bytes | msgspec.Raw) -> Observation | str:
    """The Observation, or why it is none as FHIR has it."""
    try:
        return _OBSERVATION.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"no Observation as FHIR has it: {error}"


_DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:\d\d)?)?")


@dataclass(frozen=True)
class Moment:
    """A FHIR time: `at`, with the offset that the local clock had; `is_day`: the text names a day,
    `at` is its start.

    `is_offset_known`: false of a time in UTC (`Z`), as servers write all times, where no time zone
    was given: the instant is known, the local day is not.
    """

    at: datetime
    is_day: bool = False
    is_offset_known: bool = True

    def __str__(self) -> str:
        """RFC 3339; an offset that is not known is -00:00 (section 4.3)."""
        return (
            self.at.isoformat()
            if self.is_offset_known
            else f"{self.at.replace(tzinfo=None).isoformat()}-00:00"
        )

    @property
    def day(self) -> date:
        """The local day. Raises UsageError where it is not known."""
        if not self.is_offset_known:
            raise _zone_wanted(self.at.isoformat())
        return self.at.date()

    @property
    def midnight(self) -> "Moment":
        """The start of the local day."""
        start = datetime.combine(self.day, time())
        return Moment(instant(start, where=self.at.tzinfo), is_day=True)


def moment(text: str | None, *, where: ZoneInfo | None) -> Moment | None:
    """A FHIR date, dateTime or instant; None where it is no day or instant of the contract's years
    (a month, say).

    `where`: the zone of days, of times without an offset, and of times in UTC. Raises UsageError
    where the first two have none.
    """
    match = _DATE_TIME.fullmatch(text or "")
    if match is None:
        return None
    day, clock, offset = match.groups()
    if offset is None and where is None:
        raise _zone_wanted(text)
    try:
        written = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{offset or ''}")
        if offset is None:
            read = Moment(instant(written, where=where), is_day=clock is None)
        elif offset == "Z":
            read = Moment(written.astimezone(where or UTC), is_offset_known=where is not None)
        else:
            read = Moment(written)
    except (ValueError, OverflowError):  # no such day, hour or offset
        return None
    return read if EARLIEST_YEAR <= read.at.year <= LATEST_YEAR else None


def _zone_wanted(text: str) -> UsageError:
    return UsageError(
        f"found {text}, whose local day is not known, expected --timezone, as Europe/Berlin, for such"
    )
