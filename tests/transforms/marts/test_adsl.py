"""Rules of mart.adsl: Day 1, treatment dates, end of study, last contact.

Here: small tables of core and what must come out. Not here: outcomes.
"""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from transforms.marts import adsl
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES

CUT = Cut(lake_snapshot=7, data_cutoff=datetime(2025, 6, 30, 12, tzinfo=UTC))
SHARED = {"event_id": "e", "source": "urn:study", "event_time": datetime(2025, 1, 1, tzinfo=UTC)}


def core(name, *rows):
    """A frame of core: the given columns, all others null."""
    table = CORE_TABLES[name]
    full = [{**dict.fromkeys(table.names), **SHARED, **row} for row in rows]
    return pl.DataFrame(
        [{k: r[k] for k in table.names} for r in full], schema=table.polars_schema, orient="row"
    )


def at(day, hour=10):
    return datetime(2025, *day, hour, tzinfo=UTC)


def patient(**columns):
    return {"patient_id": "P1", "clinic_id": "C1", "enrolled_on": date(2025, 1, 5), **columns}


def session(k, day, status="delivered", hour=10, **columns):
    return {
        "session_id": f"S{k}",
        "patient_id": "P1",
        "clinic_id": "C1",
        "modality": "whole_body",
        "status": status,
        "started_at": at(day, hour),
        **columns,
    }


def answer(response_id, answered_at):
    return {
        "response_id": response_id,
        "patient_id": "P1",
        "instrument": "odi",
        "answered_at": answered_at,
    }


def run(*, keys=None, cut=CUT, **tables):
    given = {
        "patients": [patient()],
        "clinics": [{"clinic_id": "C1", "timezone": "America/New_York"}],
        **tables,
    }
    names = [full.split(".")[1] for full in adsl.INPUTS]
    frames = {name: core(name, *given.get(name, [])) for name in names}
    return adsl.compute(keys, **frames, options=Options(), cut=cut)


def test_conforms_and_counts_only_the_patients_asked_for():
    """A row a patient of `keys`; columns and types are those of the schema; nobody gives an empty
    frame.
    """
    both = [patient(), patient(patient_id="P2")]
    only = run(keys=pl.DataFrame({"patient_id": ["P2"]}), patients=both)
    assert only["USUBJID"].to_list() == ["P2"]
    assert run(patients=both)["USUBJID"].to_list() == ["P1", "P2"]
    assert run(patients=[]).schema == MART_TABLES["adsl"].polars_schema
    assert run(patients=[]).is_empty()


def test_day_1_is_the_first_delivered_session_else_enrolment():
    """An aborted session before it exposes the patient (SAFFL) but does not make Day 1; days are
    the clinic's.

    2025-02-02 02:00 UTC is 2025-02-01 21:00 in New York.
    """
    untreated = run().row(0, named=True)
    assert untreated["DAY1DT"] == date(2025, 1, 5)
    assert (untreated["TRTSDT"], untreated["SAFFL"], untreated["TRT01A"]) == (
        None,
        "N",
        "NOT TREATED",
    )
    treated = run(
        sessions=[
            session(1, (1, 20), "aborted", modality="local"),
            session(2, (2, 2), hour=2),
            session(3, (2, 9), status=None),
            session(4, (2, 12), "missed"),
        ]
    ).row(0, named=True)
    assert treated["DAY1DT"] == treated["TRTSDT"] == date(2025, 2, 1)
    assert (treated["TRTEDT"], treated["NSESS"], treated["SAFFL"]) == (date(2025, 2, 9), 2, "Y")
    assert treated["MODALITY"] == treated["TRT01A"] == "whole_body"
    aborted = run(sessions=[session(1, (1, 20), "aborted")]).row(0, named=True)
    assert (aborted["SAFFL"], aborted["TRTSDT"], aborted["DAY1DT"]) == ("Y", None, date(2025, 1, 5))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ([], ("ONGOING", None, None)),
        (
            [("paused", (3, 1)), ("transferred", (3, 2)), ("pregnant", (3, 3))],
            ("ONGOING", None, None),
        ),
        ([("completed", (3, 1))], ("COMPLETED", date(2025, 3, 1), None)),
        ([("withdrew", (3, 1))], ("DISCONTINUED", date(2025, 3, 1), None)),
        ([("lost", (3, 1)), ("resumed", (4, 1))], ("ONGOING", None, None)),
        (
            [("lost", (3, 1)), ("resumed", (4, 1)), ("withdrew", (5, 1))],
            ("DISCONTINUED", date(2025, 5, 1), None),
        ),
        (
            [("died", (3, 1)), ("resumed", (4, 1))],
            ("DISCONTINUED", date(2025, 3, 1), date(2025, 3, 1)),
        ),
        (
            [("completed", (3, 1)), ("died", (4, 1))],
            ("COMPLETED", date(2025, 3, 1), date(2025, 4, 1)),
        ),
        ([("withdrew", (9, 1))], ("ONGOING", None, None)),
    ],
)
def test_end_of_study(status, expected):
    """The first ending that no later `resumed` follows; death stays; what is due after the cut is
    not yet.
    """
    rows = [
        {"status_id": f"T{k}", "patient_id": "P1", "status": s, "effective_on": date(2025, *day)}
        for k, (s, day) in enumerate(status)
    ]
    row = run(patient_status=rows).row(0, named=True)
    assert (row["EOSSTT"], row["EOSDT"], row["DTHDT"]) == expected


def test_last_contact_is_the_newest_day_that_shows_the_patient():
    """A missed session, any status record, and what lies after the cut are no contact; enrolment is
    one.
    """
    row = run(
        sessions=[session(1, (2, 1)), session(2, (4, 1), "missed")],
        responses=[answer("R", at((3, 1), 2)), answer("Q", at((12, 1)))],
        patient_status=[
            {
                "status_id": "T",
                "patient_id": "P1",
                "status": "lost",
                "effective_on": date(2025, 5, 1),
            }
        ],
    ).row(0, named=True)
    assert row["LSTCONDT"] == date(
        2025, 2, 28
    )  # 02:00 UTC on 1 March is still February in New York
    assert run().row(0, named=True)["LSTCONDT"] == date(2025, 1, 5)
    assert not any("activity" in name for name in adsl.INPUTS)  # what is worn is no contact


@pytest.mark.parametrize(
    ("resolved", "outcome", "expected"),
    [
        (at((3, 20)), "resolved", date(2025, 3, 20)),
        (at((3, 20)), None, date(2025, 3, 20)),
        (at((3, 20)), "fatal", date(2025, 2, 1)),  # death is no contact
        (None, "ongoing", date(2025, 2, 1)),
        (at((12, 1)), "resolved", date(2025, 2, 1)),  # after the data cut
    ],
)
def test_whoever_saw_an_adverse_event_end_saw_the_patient(resolved, outcome, expected):
    """Follow-up ends no earlier than the day on which a resolution was seen, so that it lies in the
    time followed.
    """
    event = {
        "ae_id": "A",
        "patient_id": "P1",
        "event_time": at((2, 1)),
        "resolved_at": resolved,
        "outcome": outcome,
    }
    assert run(adverse_events=[event])["LSTCONDT"].to_list() == [expected]


@pytest.mark.parametrize(
    ("sex", "code"),
    [("female", "F"), ("male", "M"), ("other", "U"), ("unknown", "U"), (None, None)],
)
def test_sex_and_age(sex, code):
    """SEX is F, M or U, null where it was not given; age is the year of Day 1 less the birth
    year.
    """
    row = run(patients=[patient(sex=sex, birth_year=1970)], sessions=[session(1, (2, 1))]).row(
        0, named=True
    )
    assert (row["SEX"], row["AGE"]) == (code, 55.0)
    assert run().row(0, named=True)["AGE"] is None


def test_unknown_clinic_uses_the_events_own_offset():
    """A clinic not known yet leaves the time zone null; the session's own UTC offset gives its
    day.
    """
    row = run(clinics=[], sessions=[session(1, (2, 2), hour=2, utc_offset_min=-300)]).row(
        0, named=True
    )
    assert (row["TIMEZONE"], row["TRTSDT"]) == (None, date(2025, 2, 1))
