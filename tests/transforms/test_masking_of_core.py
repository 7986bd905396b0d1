"""Arms of studies whose record is not there, in tables of core: what could not be read masks, what
was an error does not unmask.

Here: records through the decoder to core. Not here: which fields tell, a whole lake
(tests/orchestration/test_masked_arms.py).
"""

import json
from datetime import UTC, datetime
from zlib import crc32

import pytest

from ingest.contract import encode, record_key
from tests.computed import computed

LANDED = datetime(2025, 9, 1, tzinfo=UTC)
STUDY = {"study_id": "M", "masked_until": "2026-01-01"}
OPEN = {"study_id": "M", "masked_until": None}
UNREAD = (
    "floe.studies.v1",
    b"M",
    b'{"specversion": "1.0", "data": {"study_id": "M", "masked_until',
)


def event(topic: str, data: dict) -> tuple[str, bytes, bytes]:
    at = datetime(2025, 8, 1, tzinfo=UTC)
    name = f"{topic}-{crc32(json.dumps(data, sort_keys=True).encode())}"
    return topic, record_key(topic, data), encode(topic, data, id=name, source="/t", time=at)


def study(data: dict, revision: int = 1, **more) -> tuple[str, bytes, bytes]:
    return event("floe.studies.v1", data | more | {"revision": revision})


PEOPLE = [
    event("floe.clinics.v1", {"clinic_id": "C", "timezone": "UTC"}),
    event(
        "floe.patients.v1",
        {
            "patient_id": "short",
            "clinic_id": "C",
            "enrolled_on": "2025-01-06",
            "study_id": "M",
            "arm": "SHAM",
            "allocation": "randomised",
            "baseline_covariates": {"kit": 2},
        },
    ),
    event("floe.patients.v1", {"patient_id": "p", "clinic_id": "C", "enrolled_on": "2025-01-06"}),
    event(
        "floe.study_enrolments.v1",
        {
            "enrolment_id": "e",
            "study_id": "M",
            "patient_id": "p",
            "arm": "SHAM",
            "strata": {"kit": "SHAM"},
            "from": "2025-01-06",
        },
    ),
]
ERROR = study({"study_id": "M"}, revision=2, record_status="entered_in_error")


@pytest.mark.parametrize(
    ("records", "is_shown"),
    [
        ([], True),  # nothing says that it masks
        ([study(OPEN)], True),
        ([study(STUDY)], False),
        ([UNREAD], False),  # what could not be read may mask it
        ([UNREAD, study(OPEN)], True),  # it could, once it was sent again
        ([study(STUDY), UNREAD], False),
        ([study(STUDY), ERROR], False),  # to take a record back unmasks nobody
        ([study(OPEN), ERROR], True),
        ([study(STUDY), study(OPEN, revision=2)], True),
    ],
    ids=str,
)
def test_arms_are_shown_where_no_record_of_their_study_may_mask_them(records, is_shown):
    tables = computed([*PEOPLE, *records], landed=LANDED, marts=["adsl"])
    said = json.dumps(
        [
            tables[name].to_dicts()
            for name in ("core.patients", "core.study_enrolments", "mart.adsl")
        ],
        default=str,
    )
    assert ("SHAM" in said) == is_shown
    assert ("kit" in said) == is_shown
    assert tables["core.study_enrolments"].height == 2
    assert tables["core.study_enrolments"]["is_allocated"].all()


def test_an_enrolment_that_can_not_be_read_enrols_nobody_and_tells_no_arm():
    """It is set aside: the patient is in routine care, without an arm."""
    broken = ("floe.study_enrolments.v1", b"p", b'{"data": {"enrolment_id": "e", "arm": "SHAM", ')
    tables = computed([*PEOPLE[:1], PEOPLE[2], broken], landed=LANDED, marts=["adsl"])
    assert tables["mart.adsl"].select("STUDYID", "ARM").rows() == [("ROUTINE", None)]
    assert tables["raw.rejects"].height == 1
