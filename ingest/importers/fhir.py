"""FHIR Observations -> readings, pain ratings and performance tests.

Here: the files' events, their ids and devices. Not here: what an Observation says
(fhir_observation.py), FHIR's JSON (fhir_json.py), the codes (transforms/facts/vocabulary.py).

The files are read twice: first to see whether all of them can be read, whose they are and what is
not taken over; then, resource by resource, to make the events. An event's id is made of the
patient, the resource's id, its version and what is in it, so that importing again gives the same
events, and a corrected Observation is a new event: of a rating or a test the higher revision
counts, of readings of one instant the later event does.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import orjson

from ingest.contract import LONGEST_ID, encode, record_key
from transforms.errors import UsageError
from transforms.schemas import TOPIC_BY_NAME

from .fhir_json import Deleted, Moment, resources
from .fhir_observation import Fact, fact_of
from .lines import Unread
from .localtime import zone
from .people import people_of

SOURCE = "/imports/fhir"

_DELETED = (
    "deleted on its server, with no version of it here: what was imported of it before stays; take it back by its id "
    "(record_status entered_in_error), a series by floe.retractions.v1"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OVERLAP = "55423-8: found intervals that overlap, of devices that are not named: their steps would be added; name the device"


@dataclass
class _Survey:
    """What the first reading found: subjects, each device's first moment, intervals of steps by no
    named device.
    """

    subjects: set[str] = field(default_factory=set)
    devices: dict[str, Moment] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    intervals: defaultdict[str, array] = field(
        default_factory=lambda: defaultdict(lambda: array("q"))
    )


def events(
    paths: Iterable[Path | str],
    *,
    timezone: str | None = None,
    patient: str | None = None,
    patients: Mapping[str, str] | Path | str | None = None,
    clinic: str | None = None,
    server: str | None = None,
    dates: str | None = None,
    decimal: str | None = None,
    refused: Counter[str] | None = None,
    unread: Unread | None = None,
) -> Iterator[tuple[str, bytes, bytes]]:
    """The events (topic, key, value) of the files' Observations: the devices first, then in the
    files' order.

    `timezone`: the IANA zone of days, of times without an offset and of times in UTC (`Z`); it may
    be left out where no such time has a day to be known. A rating or a test of a day without a time
    is at its start, so that one of the first session's day counts as before it. `patient`: of all
    subjects, or `patients`: subject -> patient, where a subject is `ID` of `Patient/ID`, else the
    reference or the identifier as it stands. `clinic`: of devices, ratings and tests. `server`:
    whose ids these are, for two servers number alike: it is part of every identity. `dates` and
    `decimal` are none of FHIR's affair. `refused` is filled, by the call, with each reason why
    resources are not taken over, and how many. A line of NDJSON that is no resource goes to
    `unread`; nothing is sent of a set of files of which one is no FHIR. Raises UnreadableFile,
    UsageError.
    """
    if dates or decimal:
        raise UsageError(
            "found --dates or --decimal, expected neither: FHIR writes days and numbers in one way"
        )
    unread = Unread() if unread is None else unread
    where = zone(timezone) if timezone else None
    people = people_of(patient=patient, patients=patients)
    paths = [Path(path) for path in paths]
    survey = _surveyed(
        paths, where=where, refused=Counter() if refused is None else refused, unread=unread
    )
    of_subject = people.of(survey.subjects, place=", ".join(map(str, paths)))
    origin = _Origin(server=server, zone=where.key if where else None, clinic=clinic)
    return _events(paths, survey, where=where, of_subject=of_subject, origin=origin)


def _surveyed(
    paths: list[Path], *, where: ZoneInfo | None, refused: Counter[str], unread: Unread
) -> _Survey:
    survey, undivided = _Survey(), Counter()
    survey.deleted = {
        text.id
        for path in paths
        for _, text in resources(path, unread=unread)
        if isinstance(text, Deleted)
    }
    met = set()
    for path in paths:
        for kind, text in resources(path, unread=unread):
            if isinstance(text, Deleted):
                continue
            fact = fact_of(kind, text, where=where, deleted=survey.deleted)
            if not isinstance(fact, str) and fact.identity in survey.deleted:
                met.add(fact.identity)
            if isinstance(fact, str):
                refused[fact] += 1
                continue
            survey.subjects.add(fact.subject)
            if fact.device:
                earliest = survey.devices.setdefault(fact.device, fact.time)
                survey.devices[fact.device] = min(
                    earliest, fact.time, key=lambda time: (time.at, str(time))
                )
            elif _is_interval(fact):
                start = (fact.time.at - _EPOCH) // timedelta(microseconds=1)
                survey.intervals[fact.subject].extend(
                    (start, start + round(fact.data["interval_s"] * 1e6))
                )
                undivided[fact.subject] += 1
    if gone := len(survey.deleted - met):
        refused[_DELETED] += gone
    survey.intervals = {s: i for s, i in survey.intervals.items() if _overlap(i)}
    if lost := sum(undivided[subject] for subject in survey.intervals):
        refused[_OVERLAP] += lost
    return survey


def _is_interval(fact: Fact) -> bool:
    return fact.data.get("metric") == "step_count" and fact.device is None


def _overlap(bounds: array) -> bool:
    """Whether two intervals (start, end, start, end … in microseconds) with different starts
    overlap: those of one start are not added.
    """
    ends: dict[int, int] = {}
    for start, end in zip(bounds[::2], bounds[1::2], strict=True):
        ends[start] = max(end, ends.get(start, end))
    starts = sorted(ends)
    return any(ends[start] > following for start, following in pairwise(starts))


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """Whose ids these are, on whose clock, for which clinic: what every event of an import has in
    common.
    """

    server: str | None
    zone: str | None
    clinic: str | None

    def source(self, patient: str | None) -> str:
        return "/".join(
            (SOURCE, *(quote(part or "-", safe="") for part in (self.server, patient, self.zone)))
        )

    def id(self, *parts: str) -> str:
        """These parts as one id: as they read, or a digest of them where no id may be so long or
        have such characters.
        """
        id = "-".join(("fhir", *((self.server,) if self.server else ()), *parts))
        if len(id) <= LONGEST_ID and id.isprintable():
            return id
        return f"fhir-{_digest({'id': id})}"


def _events(
    paths: list[Path],
    survey: _Survey,
    *,
    where: ZoneInfo | None,
    of_subject: dict[str, str],
    origin: _Origin,
) -> Iterator[tuple[str, bytes, bytes]]:
    for device, first in sorted(survey.devices.items()):
        device = origin.id(device.removeprefix("fhir-"))
        data = {"device_id": device, "clinic_id": origin.clinic, "kind": "wearable"}
        yield _event("devices", data, id=device, time=first, source=origin.source(None))
    for path in paths:
        for kind, text in resources(path, unread=Unread()):
            if isinstance(text, Deleted):
                continue
            fact = fact_of(kind, text, where=where, deleted=survey.deleted)
            if isinstance(fact, str) or (_is_interval(fact) and fact.subject in survey.intervals):
                continue
            yield _event_of(fact, patient=of_subject[fact.subject], origin=origin)


def _event_of(fact: Fact, *, patient: str, origin: _Origin) -> tuple[str, bytes, bytes]:
    data = {"patient_id": patient} | fact.data
    if fact.device:
        data["device_id"] = origin.id(fact.device.removeprefix("fhir-"))
    topic = TOPIC_BY_NAME[fact.topic]
    id = origin.id(patient, fact.identity or _digest(data))
    if not topic.is_series:
        data = {topic.record_id: id, "clinic_id": origin.clinic, "revision": fact.revision} | data
    # padded, so that of readings of one instant the later version has the greater id
    return _event(
        fact.topic,
        data,
        id=f"{id}-{fact.revision:015d}",
        time=fact.time,
        source=origin.source(patient),
    )


def _event(
    name: str, data: dict, *, id: str, time: Moment, source: str
) -> tuple[str, bytes, bytes]:
    id = f"{id}-{_digest(data | {'time': str(time), 'source': source})}"
    value = encode(name, data, id=id, source=source, time=str(time))
    return TOPIC_BY_NAME[name].type, record_key(name, data), value


def _digest(data: dict) -> str:
    text = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    digest = sha256(text).hexdigest()
    return digest[:16]
