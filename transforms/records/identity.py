"""Which events of one record id are of one thing, which of two that clash, and what core calls
each.

Here: the contract's rules 1 to 3 ("Of the records of one id"), as rules that no order of landing
can change, and the names. Not here: which event of a thing counts (current.py), what refers to a
clashing id (references.py).

Patient and clinic *agree* where they are equal or one is null. That alone is not transitive (A
agrees with null, null with B), so what agrees with two that do not agree with each other *fits
several*: it is of neither and is listed in `core.orphans`. What is left falls into groups in which
everything agrees with everything:

1. Within a source, by patient and clinic. Groups whose revisions are all different are one thing, for a higher
   revision may change anything; an unversioned event counts as lower than a versioned one, unless
   it is later than all of that one's group. Two groups that share a revision are two things; a
   further group whose revisions are its own belongs to the one of them that has its clinic, else
   its patient, where there is just one.
2. Between sources, by patient, clinic and, for what happens at a moment, the local day.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar

T = TypeVar("T")

UNVERSIONED = -1


@dataclass(frozen=True)
class Event:
    """One event of a record: what decides of which thing it is. `at` is when it was written down,
    as far as known.
    """

    source: str
    patient: str | None
    clinic: str | None
    day: date | None
    revision: int | None
    at: datetime


@dataclass
class _Group:
    """Events of one source of which patient and clinic agree, the nulls filled from each other."""

    source: str
    patient: str | None
    clinic: str | None
    events: list[int] = field(default_factory=list)
    days: set[date] = field(default_factory=set)
    first_at: dict[int, datetime] = field(default_factory=dict)
    last_at: dict[int, datetime] = field(default_factory=dict)

    def add(self, number: int, event: Event) -> None:
        revision = UNVERSIONED if event.revision is None else event.revision
        self.events.append(number)
        self.patient = self.patient if event.patient is None else event.patient
        self.clinic = self.clinic if event.clinic is None else event.clinic
        self.days |= set() if event.day is None else {event.day}
        self.first_at[revision] = min(event.at, self.first_at.get(revision, event.at))
        self.last_at[revision] = max(event.at, self.last_at.get(revision, event.at))


def things(events: Sequence[Event]) -> list[int | None]:
    """For each event of one record id the number of its thing (the lowest index among its events);
    None: fits several.
    """
    units: list[list[_Group]] = []
    for source, numbers in _by(range(len(events)), key=lambda k: events[k].source).items():
        units += _versions(_groups(source, numbers, events))
    labels: list[int | None] = [None] * len(events)
    for thing in _agreeing(units, agree=_units_agree):
        numbers = [number for unit in thing for group in unit for number in group.events]
        for number in numbers:
            labels[number] = min(numbers)
    return labels


def _groups(source: str, numbers: Iterable[int], events: Sequence[Event]) -> list[_Group]:
    """The events of one source by patient and clinic; what fits several groups is in none."""
    by_key = _by(numbers, key=lambda k: (events[k].patient, events[k].clinic))
    groups = []
    for keys in _agreeing(list(by_key), agree=_keys_agree):
        group = _Group(source, None, None)
        for number in (n for key in keys for n in by_key[key]):
            group.add(number, events[number])
        groups.append(group)
    return groups


def _versions(groups: list[_Group]) -> list[list[_Group]]:
    """The groups of one source as things: one where all revisions differ, else those that share one
    are apart.
    """
    rivals = [g for g in groups if any(_share_a_revision(g, h) for h in groups if h is not g)]
    if not rivals:
        return [groups] if groups else []
    units = {id(g): [g] for g in rivals}
    alone = []
    for group in (g for g in groups if id(g) not in units):
        owner = _only(g for g in rivals if group.clinic and g.clinic == group.clinic)
        owner = owner or _only(g for g in rivals if group.patient and g.patient == group.patient)
        (units[id(owner)] if owner else alone).append(group)
    return [*units.values(), *([group] for group in alone)]


def _share_a_revision(one: _Group, other: _Group) -> bool:
    return (
        bool(one.first_at.keys() & other.first_at.keys())
        or _is_after(one, other)
        or _is_after(other, one)
    )


def _is_after(one: _Group, other: _Group) -> bool:
    """Unversioned, and later than all that the other has versioned: no lower revision of it."""
    versioned = [at for revision, at in other.last_at.items() if revision != UNVERSIONED]
    return (
        UNVERSIONED in one.first_at
        and bool(versioned)
        and one.first_at[UNVERSIONED] > max(versioned)
    )


def _units_agree(one: list[_Group], other: list[_Group]) -> bool:
    """Whether things of two sources are one; two things of one source never are."""
    return one[0].source != other[0].source and any(
        _keys_agree((g.patient, g.clinic), (h.patient, h.clinic))
        and (not g.days or not h.days or g.days & h.days)
        for g in one
        for h in other
    )


def _keys_agree(one: tuple, other: tuple) -> bool:
    pairs = zip(one, other, strict=True)
    return all(a == b for a, b in pairs if a is not None and b is not None)


def _agreeing(items: list[T], *, agree: Callable[[T, T], bool]) -> list[list[T]]:
    """The items in groups that agree throughout, without those that agree with two that don't
    agree.
    """
    near = [
        [j for j in range(len(items)) if j != i and agree(items[i], items[j])]
        for i in range(len(items))
    ]
    clear = [
        i
        for i, others in enumerate(near)
        if all(k in near[j] for n, j in enumerate(others) for k in others[n + 1 :])
    ]
    groups, placed = [], set()
    for i in clear:
        if i not in placed:
            members = [i, *(j for j in near[i] if j in clear)]
            placed.update(members)
            groups.append([items[j] for j in members])
    return groups


def _by(items: Iterable[T], *, key: Callable[[T], Hashable]) -> dict[Hashable, list[T]]:
    groups: dict[Hashable, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def _only(items: Iterable[T]) -> T | None:
    """The one item; None where there is none or several."""
    items = list(items)
    if len(items) != 1:
        return None
    return items[0]


@dataclass(frozen=True)
class Thing:
    """One of several things with one id: what its name is made of. `is_active`: not entered in
    error.
    """

    clinic: str | None
    sources: frozenset[str]
    patient: str | None
    event: str
    is_active: bool


def names(
    record_id: str, clashing: Sequence[Thing], *, taken: frozenset[str] = frozenset()
) -> list[str]:
    """What core calls each of the things of one id: `CLINIC:ID`, where that isn't unique
    `SOURCE#ID`.

    The only one that is not entered in error has the id alone. Two of one clinic and source are
    told apart by a patient or an event behind it (`SOURCE#ID#PATIENT`). `taken` are ids that
    producers use themselves.
    """
    active = [k for k, thing in enumerate(clashing) if thing.is_active]
    named = {active[0]: record_id} if len(active) == 1 else {}
    forms: tuple[Callable[[Thing], str | None], ...] = (
        lambda thing: thing.clinic and f"{thing.clinic}:{record_id}",
        lambda thing: f"{_own_source(thing, clashing)}#{record_id}",
        lambda thing: (
            thing.patient and f"{_own_source(thing, clashing)}#{record_id}#{thing.patient}"
        ),
        lambda thing: f"{_own_source(thing, clashing)}#{record_id}#{thing.event}",
    )
    for form in forms:
        offered = {k: form(thing) for k, thing in enumerate(clashing) if k not in named}
        once = {name for name, uses in Counter(offered.values()).items() if name and uses == 1}
        free = {name for name in once if name not in taken} - set(named.values())
        named |= {k: name for k, name in offered.items() if name in free}
    return [named.get(k, f"{record_id}#{thing.event}") for k, thing in enumerate(clashing)]


def _own_source(thing: Thing, clashing: Sequence[Thing]) -> str:
    """The first source that no other of the things has, else the first."""
    others = {source for other in clashing if other is not thing for source in other.sources}
    return min(thing.sources - others or thing.sources)
