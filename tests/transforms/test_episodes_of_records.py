"""Treatment episodes of records as they come: late, corrected, twice, of merged patients, beside a
death or in studies that overlap.

Here: events through the decoder to core.episodes and mart.subject_episodes. Not here: the rule
itself (tests/transforms/rules/test_episodes.py).
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from ingest.contract import encode, record_key
from tests.computed import computed

DAY1 = date(2025, 1, 6)
LANDED = datetime(2026, 6, 1, tzinfo=UTC)


def day(number: int) -> date:
    return DAY1 + timedelta(days=number)


def at(number: int, hour: int = 12) -> str:
    return (datetime(2025, 1, 6, hour, tzinfo=UTC) + timedelta(days=number)).isoformat()


def event(topic: str, data: dict, *, id: str) -> tuple[str, bytes, bytes]:
    time = datetime(2026, 5, 1, tzinfo=UTC)
    name = f"floe.{topic}.v1"
    return name, record_key(name, data), encode(name, data, id=id, source="/t", time=time)


def patient(name: str) -> tuple:
    data = {"patient_id": name, "clinic_id": "C", "enrolled_on": day(-10).isoformat()}
    return event("patients", data, id=name)


def course(name: str, patient: str = "p", continues: str | None = None) -> tuple:
    data = {"course_id": name, "patient_id": patient, "starts_on": DAY1.isoformat()}
    return event("courses", data | {"continues": continues}, id=f"course {name}")


def session(
    number: int, course: str | None, patient: str = "p", *, revision=0, moved=None, status="active"
) -> tuple:
    """Of a day; `moved`: to which a later revision moves it."""
    data = {
        "session_id": f"{patient}{number}",
        "patient_id": patient,
        "clinic_id": "C",
        "course_id": course,
        "modality": "local",
        "started_at": at(number if moved is None else moved),
        "revision": revision,
        "record_status": status,
    }
    return event("sessions", data, id=f"{patient}{number}.{revision}")


def status(kind: str, on: int, patient: str = "p", **more) -> tuple:
    data = {"status_id": f"{patient}{kind}", "patient_id": patient, "status": kind}
    return event("patient_status", data | {"effective_on": day(on).isoformat()} | more, id=kind)


def enrolment(study: str, first: int, last: int | None = None) -> tuple:
    data = {
        "enrolment_id": study,
        "study_id": study,
        "patient_id": "p",
        "from": day(first).isoformat(),
    }
    return event(
        "study_enrolments", data | {"to": last and day(last).isoformat()}, id=f"enrolment {study}"
    )


CLINIC = event("clinics", {"clinic_id": "C", "timezone": "UTC"}, id="C")
WHOLE = [CLINIC, patient("p"), course("A"), course("B")]
TREATED = [session(0, "A"), session(7, "A"), session(60, "B"), session(67, "B")]


def tables(*records: tuple) -> dict[str, pl.DataFrame]:
    return computed(records, landed=LANDED, marts=["adsl", "adex", "subject_episodes"])


def spans(*records: tuple) -> list[tuple]:
    """(patient, number, first day, last day, sessions) of each episode, days from the first one."""
    frame = tables(*records)["core.episodes"].sort("patient_id", "aperiod")
    columns = ("patient_id", "aperiod", "first_session_on", "last_session_on", "sessions")
    return [
        (who, k, (first - DAY1).days, (last - DAY1).days, n)
        for who, k, first, last, n in frame.select(columns).rows()
    ]


TWO = [("p", 1, 0, 7, 2), ("p", 2, 60, 67, 2)]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (TREATED, TWO),
        ([*reversed(TREATED)], TWO),
        ([*TREATED, *TREATED, *reversed(TREATED)], TWO),
        # a late record, and a correction, of another first day
        ([*TREATED, session(-3, "A")], [("p", 1, -3, 7, 3), TWO[1]]),
        ([*TREATED, session(0, "A", revision=1, moved=3)], [("p", 1, 3, 7, 2), TWO[1]]),
        ([*TREATED, session(60, "B", revision=1, moved=50)], [TWO[0], ("p", 2, 50, 67, 2)]),
        (
            [*TREATED, session(0, "A", revision=1, status="entered_in_error")],
            [("p", 1, 7, 7, 1), TWO[1]],
        ),
        # one that moves across the gap
        ([session(0, None), session(80, None)], [("p", 1, 0, 80, 2)]),
        (
            [session(0, None), session(80, None), session(80, None, revision=1, moved=91)],
            [("p", 1, 0, 0, 1), ("p", 2, 91, 91, 1)],
        ),
        # a course of which nothing is known, one without a session, a session without one
        ([session(0, "A"), session(7, "never sent")], [("p", 1, 0, 0, 1), ("p", 2, 7, 7, 1)]),
        ([course("C"), session(0, "A"), session(7, None)], [("p", 1, 0, 7, 2)]),
        # nothing after a death, all after a withdrawal from follow-up
        ([*TREATED, status("died", 30)], [TWO[0]]),
        ([*TREATED, status("withdrew", 30)], TWO),
        # another patient's courses are hers
        (
            [*TREATED, patient("q"), course("Q", "q", continues="A"), session(9, "Q", "q")],
            [*TWO, ("q", 1, 9, 9, 1)],
        ),
    ],
)
def test_episodes_are_of_what_counts_whatever_came_when(records, expected):
    assert spans(*WHOLE, *records) == expected


def test_merged_patients_are_one_whose_episodes_are_numbered_anew():
    """Each had one: 30 days apart, by courses of their own; the merged one has both, the second's
    baseline within the first's follow-up.
    """
    theirs = [patient("q"), course("Q", "q"), session(30, "Q", "q"), session(0, "A")]
    apart = spans(*WHOLE, *theirs)
    assert apart == [("p", 1, 0, 0, 1), ("q", 1, 30, 30, 1)]
    merged = tables(*WHOLE, *theirs, status("merged", 40, "q", merged_into="p"))["core.episodes"]
    assert merged.select("patient_id", "aperiod", "first_session_on", "windows_to").rows() == [
        ("p", 1, day(0), day(1)),
        ("p", 2, day(30), None),
    ]
    assert merged["is_baseline_in_follow_up"].to_list() == [None, True]


def test_studies_that_overlap():
    """S from day -5 on, T from day 50 to 64: the second course's first session is of T, its later one
    of S again, as its second episode; the windows of S's first end before T begins, those of T with
    the patient's episode.
    """
    frame = tables(*WHOLE, *TREATED, enrolment("S", -5), enrolment("T", 50, 64))
    rows = frame["mart.subject_episodes"].select(
        "STUDYID", "APERIOD", "DAY1DT", "NSESS", "BLSTDT", "WINENDT"
    )
    assert rows.rows() == [
        ("S", 1, day(0), 2, day(-28), day(31)),  # the next episode's baseline begins on day 32
        ("S", 2, day(67), 1, day(39), None),
        ("T", 2, day(60), 1, day(32), None),
    ]


def test_a_study_after_the_course_ends_its_windows_and_has_none_of_its_sessions():
    frame = tables(*WHOLE, session(0, "A"), session(7, "A"), enrolment("S", 40))
    rows = frame["mart.subject_episodes"].select("STUDYID", "APERIOD", "DAY1DT", "NSESS", "WINENDT")
    assert rows.rows() == [("ROUTINE", 1, day(0), 2, day(39)), ("S", None, day(40), 0, None)]
