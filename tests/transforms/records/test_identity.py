"""Which events of one id are one thing: the contract's three rules as tables, and that no order
decides.
"""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.records.identity import Event, Thing, names, things

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MONDAY, TUESDAY = date(2026, 5, 4), date(2026, 5, 5)


def event(source="X", patient="A", clinic="C1", day=MONDAY, revision=None, at=0) -> Event:
    return Event(source, patient, clinic, day, revision, NOON + timedelta(hours=at))


def parts(*events: Event) -> set[frozenset[int]]:
    """The things as sets of the events' places, those that fit several left out."""
    labels = things(events)
    return {
        frozenset(k for k, other in enumerate(labels) if other == label)
        for label in set(labels)
        if label is not None
    }


def one(*numbers: int) -> frozenset[int]:
    return frozenset(numbers)


@pytest.mark.parametrize(
    ("rule", "events", "expected"),
    [
        (
            "one source: patient and clinic agree, on whatever day",
            [event(), event(day=TUESDAY)],
            {one(0, 1)},
        ),
        ("one source: null matches any", [event(), event(patient=None, clinic=None)], {one(0, 1)}),
        (
            "one source: nulls fill each other",
            [event(clinic=None), event(patient=None)],
            {one(0, 1)},
        ),
        ("one source: another clinic", [event(), event(clinic="C2")], {one(0), one(1)}),
        ("one source: another patient", [event(), event(patient="B")], {one(0), one(1)}),
        (
            "one source: a higher revision may change all",
            [event(revision=1), event(patient="B", clinic="C2", revision=2)],
            {one(0, 1)},
        ),
        (
            "one source: in whatever order they land",
            [event(revision=2), event(patient="B", revision=1)],
            {one(0, 1)},
        ),
        (
            "one source: a first revision after an unversioned",
            [event(), event(patient="B", revision=1)],
            {one(0, 1)},
        ),
        (
            "one source: an unversioned event after it is no higher revision",
            [event(revision=1), event(patient="B", at=1)],
            {one(0), one(1)},
        ),
        (
            "one source: the same revision",
            [event(revision=0), event(patient="B", revision=0)],
            {one(0), one(1)},
        ),
        (
            "one source: there and back",
            [event(revision=0), event(patient="B", revision=1), event(revision=2)],
            {one(0, 1, 2)},
        ),
        (
            "one source: a correction belongs to the one with its clinic",
            [
                event(revision=0),
                event(patient="B", clinic="C2", revision=0),
                event(patient="D", clinic="C2", revision=1),
            ],
            {one(0), one(1, 2)},
        ),
        (
            "one source: a correction of neither is a third",
            [
                event(revision=0),
                event(patient="B", clinic="C2", revision=0),
                event(patient="D", clinic="C3", revision=1),
            ],
            {one(0), one(1), one(2)},
        ),
        (
            "one source: what agrees with two that don't fits several",
            [event(clinic="C1"), event(clinic="C2"), event(clinic=None)],
            {one(0), one(1)},
        ),
        ("two sources: patient, clinic and day agree", [event(), event(source="Y")], {one(0, 1)}),
        ("two sources: another day", [event(), event(source="Y", day=TUESDAY)], {one(0), one(1)}),
        (
            "two sources: a day that is not known",
            [event(), event(source="Y", day=None)],
            {one(0, 1)},
        ),
        (
            "two sources: a revision says nothing between them",
            [event(revision=1), event(source="Y", patient="B", revision=2)],
            {one(0), one(1)},
        ),
        (
            "two sources: the other's record is of the state before the correction",
            [event(revision=0), event(patient="B", revision=1), event(source="Y")],
            {one(0, 1, 2)},
        ),
        (
            "two sources: a mark of error with the id alone is its own source's",
            [
                event(),
                event(source="Y", patient="B", clinic="C2"),
                event(source="Y", patient=None, clinic=None, day=None),
            ],
            {one(0), one(1, 2)},
        ),
        (
            "three sources: the id alone fits two",
            [
                event(),
                event(source="Y", patient="B"),
                event(source="Z", patient=None, clinic=None, day=None),
            ],
            {one(0), one(1)},
        ),
        (
            "three sources: two agree, one does not",
            [event(), event(source="Y", clinic="C2"), event(source="Z")],
            {one(0, 2), one(1)},
        ),
    ],
)
def test_rules(rule, events, expected):
    """Each of the contract's rules by a small case: which events are of one thing."""
    assert parts(*events) == expected, rule


def test_nothing_and_one():
    """No event is no thing; one event is one."""
    assert things([]) == []
    assert things([event(patient=None, clinic=None, day=None)]) == [0]


_EVENTS = st.lists(
    st.builds(
        event,
        source=st.sampled_from("XYZ"),
        patient=st.sampled_from(["A", "B", None]),
        clinic=st.sampled_from(["C1", "C2", None]),
        day=st.sampled_from([MONDAY, TUESDAY, None]),
        revision=st.sampled_from([None, None, 0, 1, 2]),
        at=st.integers(0, 2),
    ),
    max_size=7,
)


@given(events=_EVENTS, data=st.data())
def test_order_and_copies_decide_nothing(events, data):
    """In any order, and with a further event that says the same, the same events are of one
    thing.
    """
    order = data.draw(st.permutations(range(len(events))))
    moved = {frozenset(order[k] for k in part) for part in parts(*(events[k] for k in order))}
    assert moved == parts(*events)
    if events:
        again = parts(*events, events[0])
        assert {frozenset(part - {len(events)}) for part in again} == parts(*events)


@given(events=_EVENTS)
def test_what_agrees_is_never_torn_apart_without_a_rival(events):
    """Where no two events disagree on patient, clinic or day, all are one thing, whatever their
    sources.
    """
    alike = [
        event(e.source, e.patient and "A", e.clinic and "C1", e.day and MONDAY, e.revision)
        for e in events
    ]
    assert parts(*alike) == ({frozenset(range(len(alike)))} if alike else set())


# --- names --------------------------------------------------------------------------------------


def thing(clinic="C1", sources="X", patient="A", event="e", is_active=True) -> Thing:
    return Thing(clinic, frozenset(sources), patient, event, is_active)


@pytest.mark.parametrize(
    ("clashing", "expected"),
    [
        ([thing(), thing("C2")], ["C1:7", "C2:7"]),
        ([thing(), thing("C1", "Y")], ["X#7", "Y#7"]),
        ([thing(), thing("C2"), thing("C2", "Y")], ["C1:7", "X#7", "Y#7"]),
        ([thing(sources="XY"), thing(sources="XZ")], ["Y#7", "Z#7"]),
        ([thing(None), thing(None, "Y")], ["X#7", "Y#7"]),
        ([thing(), thing(patient="B")], ["X#7#A", "X#7#B"]),
        ([thing(event="e"), thing(event="f")], ["X#7#e", "X#7#f"]),
        ([thing(), thing("C2", is_active=False)], ["7", "C2:7"]),
    ],
)
def test_names(clashing, expected):
    """`CLINIC:ID`, where that isn't unique `SOURCE#ID`, else a patient or event behind it; alone,
    the id alone.
    """
    assert names("7", clashing) == expected
    assert names("7", clashing[::-1]) == expected[::-1]


def test_names_avoid_ids_that_are_sent():
    """A producer's own id that looks like a name is not given to anything else."""
    assert names("7", [thing(), thing("C2")], taken=frozenset({"C1:7"})) == ["X#7", "C2:7"]
