"""Treatment episodes: when one begins, whose an assessment is, and where windows end."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import treatment_episodes
from transforms.rules import episodes as rules
from transforms.schemas import CORE_TABLES, MART_TABLES

DAY = date(2025, 3, 10)
NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)
COURSES = CORE_TABLES["courses"]


def courses(*rows: tuple[str, str | None]) -> pl.DataFrame:
    return _table(COURSES, [{"course_id": c, "continues": before} for c, before in rows])


def consult(days: float, answer: bool | None, *, patient="p") -> dict:
    return {
        "consult_id": f"{patient}{days}",
        "patient_id": patient,
        "occurred_at": NOON + timedelta(days=days),
        "had_cryotherapy_before": answer,
    }


def sessions(*rows: tuple[float, str | None], patient="p") -> pl.DataFrame:
    """Delivered sessions: days after the first noon, and the course."""
    return pl.DataFrame(
        [
            {
                "patient_id": patient,
                "session_id": f"{patient}{k}",
                "clinic_id": "c",
                "modality": "local",
                "course_id": course,
                "started_at": NOON + timedelta(days=days),
                "day": (NOON + timedelta(days=days)).date(),
            }
            for k, (days, course) in enumerate(rows)
        ],
        schema_overrides={"course_id": pl.String, "started_at": pl.Datetime("us", "UTC")},
    )


def _table(table, rows: list[dict]) -> pl.DataFrame:
    return pl.DataFrame(
        [{**dict.fromkeys(table.names), **row} for row in rows], schema=table.polars_schema
    )


def of(frame: pl.DataFrame, *named: tuple[str, str | None], asked: list[dict] = (), gap=90):
    consults = _table(CORE_TABLES["consults"], list(asked))
    return rules.episodes(frame, courses(*named), consults, gap_days=gap)


@pytest.mark.parametrize(
    ("rows", "named", "expected"),
    [
        ([(0, None), (7, None)], [], [1, 1]),
        ([(0, None), (90, None)], [], [1, 1]),  # 90 days are no more than 90 days
        ([(0, None), (90.01, None)], [], [1, 2]),
        ([(0, "A"), (7, "B")], [("A", None), ("B", None)], [1, 2]),  # a course that is new
        ([(0, "A"), (7, "B")], [("A", None), ("B", "A")], [1, 1]),  # and continues another
        ([(0, "A"), (7, "B")], [("B", "B")], [1, 2]),  # itself is no other
        ([(0, "A"), (7, None), (14, "A")], [("A", None)], [1, 1, 1]),  # the episode under way
        ([(0, "A"), (7, "B"), (14, "A")], [], [1, 2, 2]),  # A is not new any more
        ([(0, "A"), (7, "B")], [("A", "B"), ("B", "A")], [1, 1]),  # in a circle: B is the later one
        ([(0, "X"), (7, "A"), (14, "B")], [("A", "B"), ("B", "A")], [1, 2, 2]),
        ([(0, "A"), (7, "B")], [("B", "never begun")], [1, 1]),  # before the lake, or not delivered
        ([(0, "A"), (7, "B")], [("never", "A"), ("B", "never")], [1, 1]),
        ([(0, "A"), (100, "A")], [], [1, 2]),  # a gap within a course
        ([(0, None), (7, "A")], [], [1, 2]),
    ],
)
def test_when_an_episode_begins(rows, named, expected):
    numbered = rules.numbered(sessions(*rows), courses(*named), gap_days=90)
    assert numbered.sort("started_at")["episode"].to_list() == expected


@pytest.mark.parametrize(
    ("whose", "expected"), [("p", [1, 1]), ("q", [1, 2]), (None, [1, 1])], ids=str
)
def test_a_course_of_another_patient_is_not_continued(whose, expected):
    """B continues C, of which the lake has no session of this patient: another's is none of hers."""
    named = [{"course_id": "B", "continues": "C", "patient_id": "p"}]
    named += [{"course_id": "C", "patient_id": whose}] if whose else []
    frame = sessions((0, "A"), (7, "B"))
    numbered = rules.numbered(frame, _table(COURSES, named), gap_days=90)
    assert numbered.sort("started_at")["episode"].to_list() == expected
    before = rules.episodes(
        sessions((0, "B")),
        _table(COURSES, named),
        CORE_TABLES["consults"].empty(),
        gap_days=90,
    )
    assert before["is_treated_before"].to_list() == [None if whose == "q" else True]


def test_another_gap_makes_other_episodes():
    """Sessions on day 0, 40 and 100 are 40 and 60 days apart: one episode by a gap of 90 or 60 days,
    two by 50, three by 30.
    """
    frame = sessions((0, None), (40, None), (100, None))
    assert {g: of(frame, gap=g).height for g in (90, 60, 50, 30)} == {90: 1, 60: 1, 50: 2, 30: 3}


def test_two_courses_that_begin_on_one_day_share_it():
    """Each is an episode; the second's baseline is that day, no empty one that ends before it
    begins, and the first has no window.
    """
    frame = of(sessions((0, "A"), (0.1, "B"), (7, "B")))
    day = DAY
    columns = ("aperiod", "first_session_on", "baseline_from", "baseline_to", "windows_to")
    assert frame.select(columns).rows() == [
        (1, day, day - timedelta(days=28), day, day - timedelta(days=1)),
        (2, day, day, day, None),
    ]


def test_baseline_and_windows():
    """Of sessions on day 0, 7 and, by a new course, 40: the second baseline begins 28 days before
    it, on day 12, so that the first windows end on day 11; the third course of day 50 is not 28
    days after the second's Day 1: its baseline begins the day after that.
    """
    frame = of(sessions((0, "A"), (7, "A"), (40, "B"), (50, "C")))
    day = {k: DAY + timedelta(days=k) for k in range(-30, 60)}
    assert frame.select(
        "aperiod", "sessions", "first_session_on", "last_session_on", "baseline_from", "windows_to"
    ).rows() == [
        (1, 2, day[0], day[7], day[-28], day[11]),
        (2, 1, day[40], day[40], day[12], day[40]),
        (3, 1, day[50], day[50], day[41], None),
    ]
    assert frame["ended_by"].to_list() == ["new_course", "new_course", None]
    assert frame["course_ids"].to_list() == [["A"], ["B"], ["C"]]
    assert frame["is_baseline_in_follow_up"].to_list() == [None, True, True]


def test_a_baseline_after_two_years_is_in_no_follow_up():
    """The last window of Month 24 ends on study day 913: 912 days after Day 1."""
    inside, outside = (of(sessions((0, None), (days, None))) for days in (940, 941))
    assert inside["is_baseline_in_follow_up"].to_list() == [None, True]
    assert outside["is_baseline_in_follow_up"].to_list() == [None, False]
    assert outside["ended_by"].to_list() == ["gap", None]


@pytest.mark.parametrize(
    ("asked", "named", "expected"),
    [
        ([], [("A", None)], None),
        ([consult(-3, None)], [], None),
        ([consult(-3, True)], [], True),
        ([consult(-3, True), consult(-1, False)], [], False),  # the latest
        ([consult(1, True)], [], None),  # after the first session
        ([consult(-3, False)], [("A", "older")], True),  # a course that continues one of before
    ],
)
def test_who_was_treated_before_the_lake_begins(asked, named, expected):
    frame = of(sessions((0, "A"), (7, "A")), *named, asked=asked)
    assert frame["is_treated_before"].to_list() == [expected]


def test_an_assessment_belongs_to_the_last_episode_whose_baseline_has_begun():
    """Day 1s on day 0 and 40, the second baseline from day 12 on; long before the first baseline it
    is the first's.
    """
    core = CORE_TABLES["episodes"].conform(of(sessions((0, "A"), (40, "B"))))
    periods = _table(
        MART_TABLES["subject_episodes"],
        [
            {
                "STUDYID": "ROUTINE",
                "USUBJID": "p",
                "APERIOD": e["aperiod"],
                "DAY1DT": e["first_session_on"],
                "BLSTDT": e["baseline_from"],
                "WINENDT": e["windows_to"],
            }
            for e in core.iter_rows(named=True)
        ],
    )
    days = [-60, -28, 0, 11, 12, 40, 400]
    frame = pl.DataFrame(
        {"STUDYID": "ROUTINE", "USUBJID": "p", "day": [DAY + timedelta(days=d) for d in days]}
    )
    placed = rules.with_episode(frame, periods, day="day").sort("day")
    assert placed["APERIOD"].to_list() == [1, 1, 1, 1, 2, 2, 2]
    assert placed["is_in_episode"].to_list() == [True] * 7


def test_the_windows_of_a_study_end_where_the_patients_next_episode_begins():
    """A study's only episode is the patient's first; the second is of routine care: after its
    baseline has begun an answer of the study is in no window of it any more.
    """
    adsl = _table(
        MART_TABLES["adsl"],
        [
            {"STUDYID": "S", "USUBJID": "p", "ENRLDT": DAY, "ENRENDT": DAY + timedelta(days=30)},
            {"STUDYID": "ROUTINE", "USUBJID": "p", "ENRLDT": DAY},
        ],
    )
    given_ = sessions((0, "A"), (100, "B")).with_columns(
        status=pl.lit("delivered"), utc_offset_min=pl.lit(0), is_set_aside=pl.lit(False)
    )
    rows = CORE_TABLES["sessions"].conform(
        given_.with_columns(
            pl.lit(None).alias(c) for c in CORE_TABLES["sessions"].names if c not in given_.columns
        )
    )
    periods = treatment_episodes.of_sessions(
        adsl,
        rows,
        patients=_table(CORE_TABLES["patients"], [{"patient_id": "p", "clinic_id": "c"}]),
        clinics=_table(CORE_TABLES["clinics"], [{"clinic_id": "c", "timezone": "UTC"}]),
        patient_status=CORE_TABLES["patient_status"].empty(),
    ).sort("APERIOD")
    assert periods.select("STUDYID", "APERIOD", "FRSTEPFL", "LASTEPFL", "WINENDT").rows() == [
        ("S", 1, "Y", "Y", DAY + timedelta(days=71)),
        ("ROUTINE", 2, "Y", "Y", None),
    ]


@pytest.mark.parametrize(
    ("days", "expected"), [(-1, None), (0, 1), (39.9, 1), (40, 2), (400, 2), (None, None)]
)
def test_the_episode_under_way(days, expected):
    """From the start of its first session on; before any, and of an unknown moment, none."""
    core = CORE_TABLES["episodes"].conform(of(sessions((0, "A"), (40, "B"))))
    at = None if days is None else NOON + timedelta(days=days)
    frame = pl.DataFrame(
        {"patient_id": ["p"], "at": [at]}, schema_overrides={"at": pl.Datetime("us", "UTC")}
    )
    assert rules.under_way(frame, core, at="at")["APERIOD"].to_list() == [expected]


@given(
    st.lists(
        st.tuples(
            st.floats(0, 400).map(lambda d: round(d, 1)), st.sampled_from([None, "A", "B", "C"])
        ),
        min_size=1,
        max_size=12,
        unique_by=lambda row: row[0],
    ),
    st.dictionaries(st.sampled_from("ABC"), st.sampled_from("ABCD")),
    st.randoms(use_true_random=False),
)
def test_episodes_partition_the_sessions_whatever_their_order(rows, continues, random):
    """Every session is in one episode, numbers run from 1 without a gap, windows never overlap the
    next baseline, and the order of the rows changes nothing; whatever continues what.
    """
    frame, named = sessions(*rows), tuple(continues.items())
    shuffled = list(range(frame.height))
    random.shuffle(shuffled)
    one, other = (of(f, *named) for f in (frame, frame[shuffled]))
    assert one.equals(other)
    assert one["sessions"].sum() == frame.height
    assert one["aperiod"].to_list() == list(range(1, one.height + 1))
    next_baseline = one["baseline_from"].shift(-1)
    assert (one["windows_to"] < next_baseline).all()
    assert (one["baseline_from"] <= one["baseline_to"]).all()


def test_another_study_ends_the_windows():
    """Routine care from day 0, a study from day 60 on, without a session there: the windows of
    routine care end on day 59, those of the study run on.
    """
    adsl = _table(
        MART_TABLES["adsl"],
        [
            {"STUDYID": "ROUTINE", "USUBJID": "p", "ENRLDT": DAY, "DAY1DT": DAY},
            {
                "STUDYID": "S",
                "USUBJID": "p",
                "ENRLDT": DAY + timedelta(days=60),
                "DAY1DT": DAY + timedelta(days=60),
            },
        ],
    )
    adex = _table(
        MART_TABLES["adex"],
        [
            {
                "STUDYID": "ROUTINE",
                "USUBJID": "p",
                "APERIOD": 1,
                "EXSEQ": 1,
                "SESSIONID": "s",
                "EXSTAT": "delivered",
                "EXSTDTM": NOON,
                "ASTDT": DAY,
            }
        ],
    )
    core = CORE_TABLES["episodes"].conform(of(sessions((0, "A"))))
    periods = rules.of_subjects(adsl, adex, core, course_gap_days=30)
    ends = periods.select("STUDYID", "APERIOD", "windows_to").rows()
    assert ends == [("ROUTINE", 1, DAY + timedelta(days=59)), ("S", None, None)]
