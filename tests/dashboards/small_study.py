"""Two studies for tests of a study's page: T1 with two arms, T2 whose flow is marked as too small.

Here: rows of their marts by hand. Not here: what a test expects of them.
"""

import json
from datetime import date

from tests.dashboards.rows import STAMP

PLAN = [{"visit": "Week 12", "target_day": 84, "from_day": 70, "to_day": 98}]

AGAIN = {"no other arm": 4, "another arm in a later enrolment": 2}


def plans() -> list[dict]:
    shared = {
        "is_masked": False,
        "planned_visits": json.dumps(PLAN),
        "primary_parameter": "PAINIDX",
        "primary_visit": "Week 12",
        "primary_method": "ancova",
    }
    basis = {"reference_arm": "control", "reference_basis": "the study names it"}
    masked = {"is_masked": True, "masked_until": date(2027, 3, 1)}
    return [
        shared | basis | {"study_id": "T1", "title": "The first trial"},
        shared | basis | {"study_id": "T2"},
        shared | masked | {"study_id": "T3", "reference_basis": "not shown"},
    ]


def step(
    study: str, arm: str | None, name: str, n: int | None, of: int | None = None, **row
) -> dict:
    given = {"metric_id": "consort_flow", "study_id": study, "arm": arm, "step": name}
    return STAMP | given | {"n_patients": n, "n_of": of} | row


def _of_arm(study: str, arm: str | None, k: int) -> list[dict]:
    """60 of 120 allocated; 45 of them followed and analysed."""
    visit = {"visit": "Week 12", "visit_day": 84}
    why = json.dumps({"died": 5 * k, "no value in the visit's window": 10 * k})
    return [
        step(study, arm, "allocated", 60 * k, 120),
        step(study, arm, "received", 55 * k, 60 * k),
        step(study, arm, "not_received", 5 * k, 60 * k),
        step(study, arm, "followed", 45 * k, 60 * k, **visit),
        step(study, arm, "pending", 0, 60 * k, **visit),
        step(study, arm, "lost", 15 * k, 60 * k, reasons=why, **visit),
        step(study, arm, "analysed", 45 * k, 60 * k, **visit),
        step(study, arm, "not_analysed", 15 * k, 60 * k, reasons=why, **visit),
    ]


def flows() -> list[dict]:
    rows = []
    for study in ("T1", "T2", "T3"):
        rows += [
            step(study, None, "assessed", None, reason="nobody told"),
            step(study, None, "enrolled", 123),
            step(study, None, "enrolled_again", 6, 123, reasons=json.dumps(AGAIN)),
            step(study, None, "excluded", 3, 123, reasons=json.dumps({"fell ill": 3})),
            *_of_arm(study, None, 2),
        ]
        if study != "T3":
            rows += [*_of_arm(study, "cold", 1), *_of_arm(study, "control", 1)]
    return [row | {"is_suppressed": row["study_id"] == "T2"} for row in rows]


def sets() -> list[dict]:
    out = {"is_in": False, "reason": "no session began"}
    return [
        {"STUDYID": "T1", "USUBJID": f"P{k}", "set_code": code, "decided_by": "derived"}
        | ({"is_in": True} if k else out)
        for code in ("ITT", "SAF")
        for k in range(3)
    ]


def comparison() -> dict:
    return STAMP | {
        "metric_id": "arm_difference_ancova",
        "study_id": "T1",
        "parameter": "PAINIDX",
        "visit": "Week 12",
        "arm": "cold",
        "reference_arm": "control",
        "allocation": "randomised",
        "population": "completers",
        "n_arm": 45,
        "n_reference": 44,
        "estimate": -3.25,
        "ci_lower": -6.0,
        "ci_upper": -0.5,
        "p_value": 0.021,
        "method": "ancova",
        "unit": "score",
        "direction": "lower",
        "adjusted_for": ["baseline"],
    }
