"""mart.adqs on a few patients told by hand: days, baselines, contexts, licences, and any set of
keys.
"""

import json
from datetime import UTC, date, datetime

import polars as pl
import pytest

from tests import treatment_episodes
from transforms.checks import check_table
from transforms.marts import adqs
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES

CUT = Cut(lake_snapshot=1, data_cutoff=datetime(2026, 6, 1, tzinfo=UTC))


def table(schema, rows: list[dict]) -> pl.DataFrame:
    """Rows of a table; what a row does not name is null."""
    return pl.DataFrame(
        [{**dict.fromkeys(schema.names), **r} for r in rows], schema=schema.polars_schema
    )


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CLINICS = table(
    CORE_TABLES["clinics"],
    [
        {"clinic_id": "oslo", "timezone": "Europe/Oslo", "country": "NO"},
        {"clinic_id": "auckland", "timezone": "Pacific/Auckland", "country": "NZ"},
    ],
)


def patient(
    patient_id: str = "p", *, first_session: str | None = None, clinic="oslo", enrolled="2026-01-05"
) -> dict:
    at = None if first_session is None else moment(first_session)
    return {
        "STUDYID": "s",
        "USUBJID": patient_id,
        "SITEID": clinic,
        "TRTSDTM": at,
        "TRTSDT": at and at.date(),
        "DAY1DT": at.date() if at else date.fromisoformat(enrolled),
        "NSESS": int(at is not None),
    }


def response(
    key: str, at: str, instrument: str = "nrs_pain", *, patient_id="p", clinic="oslo", **more
) -> dict:
    items = more.pop("items", {"average_7d": 7})
    return {
        "response_id": key,
        "event_id": key,
        "patient_id": patient_id,
        "clinic_id": clinic,
        "items": json.dumps(items),
        "instrument": instrument,
        "answered_at": moment(at),
        **more,
    }


def compute(
    patients: list[dict], responses: list[dict], *, sessions=(), statuses=(), keys=None, **options
) -> pl.DataFrame:
    adsl = table(MART_TABLES["adsl"], patients)
    core = {
        "sessions": table(CORE_TABLES["sessions"], list(sessions)),
        "patients": table(
            CORE_TABLES["patients"],
            [{"patient_id": p["USUBJID"], "clinic_id": p["SITEID"]} for p in patients],
        ).unique("patient_id"),
        "clinics": CLINICS,
        "patient_status": table(CORE_TABLES["patient_status"], list(statuses)),
    }
    settings = Options(**options)
    return adqs.compute(
        keys,
        responses=table(CORE_TABLES["responses"], responses),
        **core,
        adsl=adsl,
        subject_episodes=treatment_episodes.of_sessions(adsl, **core, options=settings),
        options=settings,
        cut=CUT,
    )


def test_baseline_change_and_rules():
    """8 before the session, 5 on day 29: change -3, -37.5 %, 30 % yes, 50 % no, 2 points yes."""
    rows = [
        response("a", "2026-01-10T09:00", items={"average_7d": 8}),
        response("b", "2026-02-07T09:00", items={"average_7d": 5}),
    ]
    found = compute([patient(first_session="2026-01-10T10:00")], rows)
    base, later = found.rows(named=True)
    assert (base["ABLFL"], base["ADY"], base["AVISIT"], base["CHG"]) == ("Y", 1, "Baseline", None)
    assert (later["ADY"], later["AVISIT"], later["BASE"], later["CHG"], later["PCHG"]) == (
        29,
        "Week 4",
        8,
        -3,
        -37.5,
    )
    assert [later[f"CRIT{k}FL"] for k in range(1, 6)] == ["Y", "N", "Y", "N", "Y"]
    assert later["CRIT1"] == "improvement of at least 30 % of baseline"
    assert (later["DAY1BASIS"], later["METRICID"], later["NEREASON"]) == (
        "session",
        "nrs7d_score",
        None,
    )
    assert check_table(MART_TABLES["adqs"], found)["is_passed"].all()


def test_an_answer_after_the_first_session_is_no_baseline():
    """On Day 1 but after the session's start: no baseline, unscheduled, and the later change can't
    be given.
    """
    rows = [response("a", "2026-01-10T11:00"), response("b", "2026-02-07T09:00")]
    found = compute([patient(first_session="2026-01-10T10:00")], rows)
    assert found["AVISIT"].to_list() == [None, "Week 4"]
    assert found["CHG"].to_list() == [None, None]
    assert found["NEREASON"].to_list() == [None, "no baseline"]


@pytest.mark.parametrize(
    ("at", "clinic", "day"),
    [
        ("2026-01-10T23:30", "oslo", date(2026, 1, 11)),  # 00:30 in Oslo
        ("2026-03-28T22:59", "oslo", date(2026, 3, 28)),  # the night before summer time: 23:59
        ("2026-03-29T22:30", "oslo", date(2026, 3, 30)),  # summer time: 00:30 of the next day
        ("2026-01-10T10:59", "auckland", date(2026, 1, 10)),  # 23:59
        ("2026-01-10T11:00", "auckland", date(2026, 1, 11)),  # midnight
    ],
)
def test_the_day_is_the_clinics(at, clinic, day):
    """The assessment's day is the calendar day at the clinic where it was given, summer time
    included.
    """
    assert compute([patient()], [response("a", at, clinic=clinic)])["ADT"].to_list() == [day]


def test_without_a_session_day_1_is_enrolment():
    """Who has no session counts days from enrolment."""
    found = compute(
        [patient(enrolled="2026-01-05")],
        [response("a", "2026-01-04T12:00"), response("b", "2026-01-05T12:00")],
    )
    assert found["ADY"].to_list() == [-1, 1]
    assert found["DAY1BASIS"].unique().to_list() == ["enrolment"]


def test_ratings_around_a_session_are_their_own_parameter():
    """`now` before and after a session is NRSPRE and NRSPST, without a visit or baseline, never
    pooled with NRSNOW.
    """
    rows = [
        response("a", "2026-01-10T09:00", items={"now": 6}, context="pre_session"),
        response("b", "2026-01-10T11:00", items={"now": 3}, context="post_session"),
        response("c", "2026-01-09T11:00", items={"now": 5}, context="scheduled"),
        response("d", "2026-02-07T11:00", items={"now": 4}),
    ]
    found = compute([patient(first_session="2026-01-10T10:00")], rows).sort("EVENTID")
    assert found["PARAMCD"].to_list() == ["NRSPRE", "NRSPST", "NRSNOW", "NRSNOW"]
    assert found["AVISIT"].to_list() == [None, None, "Baseline", "Week 4"]
    assert found["BASE"].to_list() == [None, None, 5, 5]
    assert (
        found["PARAM"].to_list()[0]
        == "Pain, numerical rating scale 0-10, now, just before a session"
    )


def test_only_the_items_asked_give_rows():
    """A response with two items gives two rows; one asked and not answered is null with its
    reason.
    """
    found = compute(
        [patient()], [response("a", "2026-01-05T12:00", items={"average_7d": None, "leg_7d": 4})]
    )
    assert dict(zip(found["PARAMCD"], found["AVAL"], strict=True)) == {"NRS7D": None, "NRSLEG": 4}
    assert found.filter(PARAMCD="NRS7D")["NEREASON"].to_list() == ["not answered"]


def test_a_baseline_of_0():
    """From 0 no rule of improvement can be judged, and the row says so."""
    rows = [
        response("a", "2026-01-05T12:00", items={"average_7d": 0}),
        response("b", "2026-02-02T12:00", items={"average_7d": 3}),
    ]
    later = compute([patient()], rows).row(1, named=True)
    assert (later["CHG"], later["PCHG"], later["CRIT1FL"], later["CRIT3FL"], later["CRIT4FL"]) == (
        3,
        None,
        None,
        None,
        "Y",
    )
    assert later["NEREASON"] == "baseline is 0: a percentage of it is undefined"


def test_licence_and_value_set_are_the_sites():
    """The ODI scores with a licence, the EQ-5D index with the value set of the clinic's country;
    else a reason.
    """
    rows = [
        response("a", "2026-01-05T12:00", "odi", items={f"s{k}": 2 for k in range(1, 11)}),
        response(
            "b",
            "2026-01-05T12:00",
            "eq_5d_5l",
            items=dict.fromkeys(("mo", "sc", "ua", "pd", "ad"), 1) | {"vas": 60},
        ),
    ]
    found = compute([patient()], rows)
    assert dict(found.select("PARAMCD", "AVAL").rows()) == {"ODI": None, "EQ5D": None, "EQVAS": 60}
    assert found.filter(PARAMCD="ODI")["NEREASON"].item().startswith("the ODI is licensed")
    sets = {"NO": ("NO_own", {"11111": 0.95})}
    found = compute([patient()], rows, odi_licensed=True, eq5d_value_sets=sets)
    assert dict(found.select("PARAMCD", "AVAL").rows()) == {"ODI": 40, "EQ5D": 0.95, "EQVAS": 60}
    assert found.filter(PARAMCD="EQ5D")["PARAM"].item() == "EQ-5D-5L index, value set NO_own"


def test_unknown_instrument_and_unknown_patient_give_no_rows():
    """What is not scored stays in raw; a response whose patient is not known yet waits."""
    rows = [
        response("a", "2026-01-05T12:00", "sf36"),
        response("b", "2026-01-05T12:00", patient_id="nobody"),
    ]
    found = compute([patient()], rows)
    assert found.height == 0
    assert found.schema == MART_TABLES["adqs"].polars_schema


def test_some_keys_give_the_same_rows_as_all():
    """Computed for one patient or for all, that patient's rows are the same; duplicates of order
    change nothing.
    """
    people = [patient(p, first_session="2026-01-10T10:00") for p in ("p", "q")]
    rows = [
        response(f"{p}{k}", f"2026-0{1 + k}-09T09:00", patient_id=p, items={"average_7d": 8 - k})
        for p in "pq"
        for k in range(4)
    ]
    sessions = [
        {
            "session_id": p,
            "patient_id": p,
            "clinic_id": "oslo",
            "started_at": moment("2026-01-10T10:00"),
        }
        for p in "pq"
    ]
    every = compute(people, rows, sessions=sessions)
    one = compute(people, rows[::-1], sessions=sessions, keys=pl.DataFrame({"patient_id": ["q"]}))
    assert one.equals(every.filter(USUBJID="q"))
    assert one.height == 4


@pytest.mark.parametrize("more", [{}, {"clinic": None}, {"clinic": None, "session_id": "S"}])
def test_the_day_of_an_answer_that_names_no_clinic(more):
    """22:30 UTC on day 14 is half past eleven in the evening in Oslo: day 14, Week 1, whoever names
    the clinic.
    """
    sessions = [{"session_id": "S", "patient_id": "x", "clinic_id": "oslo"}]
    base = response("a", "2026-01-10T09:00", items={"average_7d": 8})
    row = response("b", "2026-01-23T22:30", items={"average_7d": 5}, **more)
    found = compute(
        [patient(first_session="2026-01-10T10:00") | {"TIMEZONE": "Europe/Oslo"}],
        [base, row],
        sessions=sessions,
    )
    assert found.select("ADY", "AVISIT").rows() == [(1, "Baseline"), (14, "Week 1")]


def test_the_clinics_day_before_utcs():
    """In Auckland the same moment is the next day: 11:30 on 24 January, day 15, Week 4; so it is
    for an answer that names no clinic.
    """
    for clinic in ("auckland", None):
        rows = [
            response("a", "2026-01-09T09:00", items={"average_7d": 8}, clinic="auckland"),
            response("b", "2026-01-23T22:30", items={"average_7d": 5}, clinic=clinic),
        ]
        who = patient(first_session="2026-01-10T10:00", clinic="auckland") | {
            "TIMEZONE": "Pacific/Auckland"
        }
        assert compute([who], rows)["AVISIT"].to_list() == ["Baseline", "Week 4"]
