"""The steps of a study's flow of patients (CONSORT 2010), as data.

Here: the steps in order, with their titles, and why one can't be told. Not here: counting
(marts/consort_flow.py), the diagram (dashboards/pages/study).
"""

from dataclasses import dataclass

ASSESSED, ENROLLED, EXCLUDED, ALLOCATED = "assessed", "enrolled", "excluded", "allocated"
ENROLLED_AGAIN = "enrolled_again"
RECEIVED, NOT_RECEIVED = "received", "not_received"
FOLLOWED, PENDING, LOST = "followed", "pending", "lost"
ANALYSED, NOT_ANALYSED = "analysed", "not_analysed"


@dataclass(frozen=True)
class Step:
    """`of`: the step whose patients it is a part of; `is_by_arm`: told arm by arm, and of all arms;
    `is_by_visit`: told visit by visit.
    """

    name: str
    title: str
    of: str | None
    is_by_arm: bool = True
    is_by_visit: bool = False


STEPS: dict[str, Step] = {
    s.name: s
    for s in (
        Step(ASSESSED, "Assessed for eligibility", None, is_by_arm=False),
        Step(ENROLLED, "Enrolled", None, is_by_arm=False),
        Step(ENROLLED_AGAIN, "Enrolled more than once", ENROLLED, is_by_arm=False),
        Step(EXCLUDED, "Enrolled, not allocated", ENROLLED, is_by_arm=False),
        Step(ALLOCATED, "Allocated", ENROLLED),
        Step(RECEIVED, "Received the intervention: a session began", ALLOCATED),
        Step(NOT_RECEIVED, "Did not receive it", ALLOCATED),
        Step(FOLLOWED, "Followed: a value at the visit", ALLOCATED, is_by_visit=True),
        Step(PENDING, "Visit still to come", ALLOCATED, is_by_visit=True),
        Step(
            LOST,
            "Lost at the visit: its window closed without a value",
            ALLOCATED,
            is_by_visit=True,
        ),
        Step(ANALYSED, "Analysed in the primary analysis", ALLOCATED),
        Step(NOT_ANALYSED, "Not analysed", ALLOCATED),
    )
}

NOBODY_TOLD = (
    "whom a study assessed and did not enrol is in no event: the first that the lake hears of a "
    "patient in a study is the enrolment"
)
NO_SESSION = (
    "no session of this arm is in the lake: whether it received another treatment can't be known"
)
SOME_UNKNOWN = "not known of every arm"
ARMS_MASKED = "the study's arms are masked"
OTHER_ARM = "another arm in a later enrolment"
NO_OTHER_ARM = "no other arm"
