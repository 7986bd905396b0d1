"""Summaries of the small lake about time, treatment and care, written by hand.

Here: curves, responders by cut-off, verdicts, changes of single patients, dose, sessions, other
care, rate ratios of adverse events, alerts. C2 is marked as too small everywhere. Not here: what a
test expects of them.
"""

import json

from tests.dashboards.rows import CUT, STAMP, stratum, what_it_is_of
from transforms.facts.restrictions import GROUP_RESTRICTIONS, flag_columns

ARMS = ("acupuncture", "control")


def curve(parameter: str, where: dict, rows: list[tuple], **values) -> list[dict]:
    """Rows of (time, at risk, events, censored, survival); limits 0.1 to both sides, null where
    survival is 0.
    """
    base = (
        STAMP
        | where
        | {"parameter": parameter, "metric_id": parameter.lower(), "n_patients": rows[0][1]}
        | values
    )
    return [
        base
        | dict(zip(("time_days", "at_risk", "events", "censored", "survival"), row, strict=True))
        | {
            "lower": max(row[4] - 0.1, 0.0) if row[4] else None,
            "upper": min(row[4] + 0.1, 1.0) if row[4] else None,
        }
        for row in rows
    ]


# 10 patients: 2 events at 20 and 40, one censored at 30; at 60 the rest is censored
STEPS = [
    (20.0, 10, 2, 0, 0.8),
    (30.0, 8, 0, 1, 0.8),
    (40.0, 7, 2, 0, 0.8 * 5 / 7),
    (60.0, 5, 0, 5, 0.8 * 5 / 7),
]


def survival_curves() -> list[dict]:
    never = {"reason": "survival stays above one half"}
    median = {"median": 40.0, "median_lower": 20.0}
    return [
        *curve("TTLOSS", stratum(), STEPS, **never),
        *curve("TTLOSS", stratum(clinic_id="C2"), [(7.0, 3, 1, 2, 2 / 3)], is_suppressed=True),
        *curve(
            "TTAERES",
            stratum(),
            [(1.0, 12, 6, 0, 0.5), (4.0, 6, 5, 0, 1 / 12), (90.0, 1, 0, 1, 1 / 12)],
            **median | {"n_patients": 9},
        ),
        *curve("TTRETRT", stratum(), [(100.0, 20, 4, 0, 0.8), (400.0, 16, 0, 16, 0.79)], **never),
        *curve("TTSURG", stratum(), [(50.0, 10, 0, 10, 1.0)], **never),
        *(
            row
            for arm in ARMS
            for row in curve("TTSURGA", stratum(arm=arm), STEPS, log_rank_p_value=0.03, **never)
        ),
    ]


# of 20 patients 4 came back on day 100, 2 had surgery on day 150, 2 were censored on 200, 12 on 400
FIRST = [
    (100.0, 20, {"next episode": 4}, 0),
    (150.0, 16, {"surgery": 2}, 0),
    (200.0, 14, {}, 2),
    (400.0, 12, {}, 12),
]


def first_of(where: dict, **values) -> list[dict]:
    """Curves of the next episode, surgery and death; limits 0.1 to both sides."""
    base = STAMP | where | {"parameter": "TTRETRT", "metric_id": "first_of_competing_events"}
    rows = []
    for event in ("next episode", "surgery", "death"):
        share = 0.0
        for day, at_risk, events, censored in FIRST:
            own = events.get(event, 0)
            share += own / 20  # nobody is censored before the last event
            limits = {
                "incidence": share,
                "lower": max(share - 0.1, 0.0),
                "upper": share + 0.1,
            }
            rows.append(
                base
                | limits
                | {
                    "event": event,
                    "time_days": day,
                    "at_risk": at_risk,
                    "events": own,
                    "competing": sum(events.values()) - own,
                    "censored": censored,
                    "n_patients": 20,
                }
                | values
            )
    return rows


def competing_risks() -> list[dict]:
    return [
        *first_of(stratum()),
        *first_of(stratum(clinic_id="C2"), is_suppressed=True),
    ]


def course_relief() -> list[dict]:
    """Of 20 patients with two courses 12 pairs at Month 3; at Month 6 the second came before."""
    base = STAMP | {"metric_id": "course_relief", "parameter": "NRS7D", "unit": "points"}
    none = dict.fromkeys(("n_due", "n_ended", "n_pending", "n_pairs", "n_missing"), 0)
    at_month_3 = none | {
        "visit": "Month 3",
        "n_patients": 20,
        "n_due": 14,
        "n_ended": 4,
        "n_pending": 2,
        "n_pairs": 12,
        "n_missing": 2,
        "n_baseline_in_follow_up": 9,
        "baseline_first": 7.1,
        "baseline_second": 6.2,
        "change_first": -2.5,
        "change_first_lower": -3.1,
        "change_first_upper": -1.9,
        "change_second": -1.9,
        "change_second_lower": -2.6,
        "change_second_upper": -1.2,
        "difference": 0.6,
        "difference_lower": -0.2,
        "difference_upper": 1.4,
    }
    at_month_6 = none | {
        "visit": "Month 6",
        "n_patients": 20,
        "n_ended": 20,
        "n_baseline_in_follow_up": 0,
        "reason": "a next episode's baseline began before this visit in all pairs",
    }
    return [
        base | where | row | {"is_suppressed": is_suppressed}
        for where, is_suppressed in ((stratum(), False), (stratum(clinic_id="C2"), True))
        for row in (at_month_3, at_month_6)
    ]


def responder_curves() -> list[dict]:
    """Of 50, 10 have no value; x falls from 40 at 0 % to 0 at 100 %."""
    base = STAMP | {
        "metric_id": "responder_curve",
        "parameter": "NRS7D",
        "visit": "Month 3",
        "n": 50,
        "n_missing": 10,
    }
    rows = []
    for where, is_suppressed in ((stratum(), False), (stratum(clinic_id="C2"), True)):
        for cut in range(101):
            x = round(40 * (1 - cut / 100))
            limits = {
                "estimate": x / 50,
                "ci_lower": max(0.0, x / 50 - 0.1),
                "ci_upper": x / 50 + 0.1,
            }
            rows.append(
                base | where | limits | {"cutoff_pct": cut, "x": x, "is_suppressed": is_suppressed}
            )
    return rows


def verdicts() -> list[dict]:
    base = (
        STAMP
        | stratum()
        | {"metric_id": "rule_disagreement", "parameter": "NRS7D", "visit": "Month 3", "n": 40}
    )
    rules = (("Y", "Y", "Y", 20), ("Y", "N", "Y", 4), ("N", "Y", None, 3), ("N", "N", "N", 13))
    return [
        base
        | {
            "pct30": a,
            "points": b,
            "pgic": c,
            "x": x,
            "estimate": x / 40,
            "ci_lower": x / 80,
            "ci_upper": x / 30,
        }
        for a, b, c, x in rules
    ]


def reliable_changes() -> list[dict]:
    """NRS7D at Month 3: of 50 with a class 6 recovered, 14 improved, 27 unchanged, 3 worse; at Week
    4 no cut is known.

    The trial's index is by arm, of 30, without a known measurement error.
    """
    base = STAMP | {
        "metric_id": "reliable_change",
        "parameter": "NRS7D",
        "visit": "Month 3",
        "n_patients": 63,
        "n_due": 61,
        "n_evaluable": 50,
        "n_missing": 9,
        "n_not_evaluable": 2,
        "n_pending": 2,
        "unit": "points",
        "standard_error_of_measurement": 0.86,
        "smallest_change": 2.38,
        "source": "Someone 2001",
        "verification": "unverified",
        "recovered_at": 3.0,
        "recovered_source": "Other 2002",
    }
    counts = {"recovered": 6, "improved": 14, "unchanged": 27, "deteriorated": 3}
    full = base | _classes(counts)
    no_cut = {
        "visit": "Week 4",
        "recovered_at": None,
        "recovered_source": None,
        "n_recovered": None,
        "recovered": None,
        "recovered_lower": None,
        "recovered_upper": None,
    }
    few = _classes(dict.fromkeys(counts, 1)) | {"n_evaluable": 4, "is_suppressed": True}
    unknown = {
        "parameter": "PAINIDX",
        "n_patients": 31,
        "n_due": 31,
        "n_evaluable": 0,
        "n_missing": 1,
        "n_not_evaluable": 30,
        "n_pending": 0,
        "standard_error_of_measurement": None,
        "smallest_change": None,
        "source": None,
        "verification": None,
        "recovered_at": None,
        "recovered_source": None,
        "reason": "no measurement error of this score is known",
    }
    return [
        full | stratum(),
        full | no_cut | stratum(),
        full | few | stratum(clinic_id="C2"),
        *(base | unknown | stratum(arm=arm) for arm in ARMS),
    ]


def _classes(counts: dict[str, int]) -> dict:
    n, row = sum(counts.values()), {}
    for name, x in counts.items():
        row |= {
            f"n_{name}": x,
            name: x / n,
            f"{name}_lower": 0.5 * x / n,
            f"{name}_upper": min(1.0, (x + 4) / n),
        }
    return row


def important_changes() -> list[dict]:
    """NRS7D: a cut at Month 3, too few at Week 4; of the index none is published."""
    base = STAMP | {
        "metric_id": "pgic_anchor_mic",
        "parameter": "NRS7D",
        "visit": "Month 3",
        "unit": "points",
        "direction": "lower",
        "n_changes": 78,
        "n_without_pgic": 3,
        "n_improved": 40,
        "n_not_improved": 35,
        "published_change": 2.0,
        "published_source": "Farrar 2001",
        "published_verification": "verified",
    }
    cut = {
        "anchored_change": 2.0,
        "anchored_change_least": 1.5,
        "sensitivity": 0.8,
        "specificity": 0.75,
        "auc": 0.81,
        "auc_lower": 0.7,
        "auc_upper": 0.88,
    }
    few = {
        "n_changes": 24,
        "n_improved": 12,
        "n_not_improved": 9,
        "reason": "12 improved and 9 not, 30 needed of each",
    }
    unpublished = {
        "parameter": "PAINIDX",
        "published_change": None,
        "published_source": None,
        "published_verification": None,
    }
    return [
        base | cut | stratum(),
        base | few | {"visit": "Week 4"} | stratum(),
        base | cut | {"n_improved": 2, "is_suppressed": True} | stratum(clinic_id="C2"),
        base | few | unpublished | stratum(),
    ]


_NONE = "no events in either group: the ratio could be anything"
_NO_END = "no events in the reference: the ratio has no upper bound"


def event_comparisons() -> list[dict]:
    """Pairs of any event and of serious ones; by sessions and by patient-years the same. All are
    marked.
    """
    base = STAMP | {
        "metric_id": "adverse_event_rate_ratio",
        "term": None,
        "min_grade": None,
        "sessions_overdispersion": 1.4,
        "unread_records": 2,
        "is_suppressed": True,
        "patients": 20,
        "reference_patients": 40,
    }
    base |= dict.fromkeys(flag_columns(), False)
    # dimension, compared, reference, events and sessions of both, ratio, limits, reason
    pairs = (
        ("clinic_id", "C3", "(all others)", 0, 400, 11, 1200, 0.0, 0.0, 1.19, None),
        ("clinic_id", "C2", "(all others)", 4, 400, 0, 1200, None, 2.0, None, _NO_END),
        ("clinic_id", "C1", "(all others)", 7, 800, 4, 800, 1.75, 0.45, 8.15, None),
        ("modality", "whole_body", "local", 9, 900, 3, 700, 2.33, 0.58, 13.4, None),
        ("arm", "acupuncture", "control", 5, 500, 5, 400, 0.8, 0.18, 3.48, None),
    )
    rows = [base | _pair(*pair) for pair in pairs]
    rows[-1] |= {
        "study_id": "ROUTINE",
        "allocation": "randomised",
        "sessions_p_value": 0.75,
        "patient_years_p_value": 0.75,
    }
    serious = {"is_serious_only": True}
    return [
        *rows,
        base
        | serious
        | _pair("clinic_id", "C1", "(all others)", 0, 800, 0, 800, None, None, None, _NONE),
    ]


def _pair(
    dimension,
    compared,
    reference,
    events,
    sessions,
    others,
    other_sessions,
    ratio,
    lower,
    upper,
    reason,
) -> dict:
    row = {
        "dimension": dimension,
        "compared": compared,
        "reference": reference,
        "events": events,
        "sessions": sessions,
        "reference_events": others,
        "reference_sessions": other_sessions,
        "patient_years": sessions / 100,
        "reference_patient_years": other_sessions / 100,
    }
    for exposure in ("sessions", "patient_years"):
        name = f"{exposure}_rate_ratio"
        row |= {
            name: ratio,
            f"{name}_lower": lower,
            f"{name}_upper": upper,
            f"{exposure}_reason": reason,
        }
    return row


def doses() -> list[dict]:
    base = (
        STAMP
        | stratum()
        | {
            "metric_id": "dose_response",
            "parameter": "NRS7D",
            "visit": "Month 3",
            "unit": "points",
            "is_causal": False,
        }
    )
    bins = (
        (0.0, 1.0, 2, -2.0, -14.7, 10.7),
        (1.0, 2.0, 30, -1.9, -2.2, -1.6),
        (2.0, None, 12, -1.8, -2.3, -1.3),
    )
    return [
        base
        | {
            "from_per_week": a,
            "to_per_week": b,
            "n_patients": n,
            "mean_sessions_per_week": a + 0.5,
            "mean_change": m,
            "ci_lower": low,
            "ci_upper": high,
        }
        for a, b, n, m, low, high in bins
    ]


def alerts() -> list[dict]:
    base = {
        "rule": "skin_red",
        "severity": "red",
        "clinic_id": "C1",
        "subject_kind": "patient",
        "subject_id": "P1",
        "evidence": ["SE0"],
        "occurred_at": CUT,
    }
    return [
        base | {"alert_id": "AL1", "state": "closed"},
        base | {"alert_id": "AL2", "state": "open"},
    ]


def definitions() -> list[dict]:
    base = {"version": "1", "title": "x", "rule": "x", "source": "x", "verification": "verified"}
    return [
        base
        | what_it_is_of("nrs7d_points")
        | {"metric_id": "nrs7d_points", "parameters": json.dumps({"nrs_points": 2.0})}
    ]


def treatment_and_care() -> list[dict]:
    """Rows of mart.cohort_outcomes without a visit: sessions, courses, other care, sustained
    response.
    """
    rows = []
    for where, is_suppressed in (
        (stratum(), False),
        (stratum(clinic_id="C1"), False),
        (stratum(clinic_id="C2"), True),
    ):
        rows += [
            _whole(metric, where, is_suppressed=is_suppressed, **values)
            for metric, values in _METRICS.items()
        ]
    none = {
        "n_event": 0,
        "n_evaluable": 0,
        "n_due": 0,
        "reason": "no such session",
        "population": "sessions",
    }
    return [
        *rows,
        *life(),
        _whole("sessions_delivered", stratum(clinic_id="C3"), is_suppressed=False, **none),
    ]


def _share(x: int, n: int, population: str, *, missing: int = 0) -> dict:
    return {
        "n_event": x,
        "n_evaluable": n,
        "n_due": n + missing,
        "n_missing": missing,
        "population": population,
        "estimate": x / n,
        "ci_lower": 0.5 * x / n,
        "ci_upper": min(1.0, (x + 4) / n),
        "unit": "proportion",
    }


def _mean(value: float, n: int, population: str, unit: str) -> dict:
    return {
        "n_evaluable": n,
        "n_due": n,
        "population": population,
        "estimate": value,
        "ci_lower": value - 0.1,
        "ci_upper": value + 0.1,
        "unit": unit,
    }


_METRICS = {
    "sessions_not_cleared": _share(7, 810, "sessions"),
    "sessions_without_clearance": _share(6, 810, "sessions"),
    "sessions_with_contraindication": _share(1, 805, "sessions", missing=5),
    "limit_any_exceeded": _share(0, 790, "sessions", missing=20),
    "limit_oxygen_exceeded": _share(0, 780, "sessions", missing=30),
    "sessions_delivered": _share(800, 900, "sessions"),
    "sessions_missed": _share(90, 900, "sessions"),
    "sessions_not_asked": _share(100, 800, "sessions"),
    "sessions_rewarming_seen": _share(300, 810, "sessions"),
    "course_adherence": _mean(0.9, 40, "courses", "ratio") | {"n_pending": 3},
    "session_duration_median": _mean(150.0, 40, "patients", "s"),
    "sustained_response": _share(18, 45, "completers") | {"n_not_evaluable": 15},
    "opioid_use_before": _share(12, 30, "patients", missing=30),
    "opioid_use_latest": _share(9, 30, "patients", missing=30),
    "opioid_use_stopped": _share(3, 12, "patients", missing=30),
    "opioid_use_started": _share(0, 18, "patients", missing=30),
    "opioid_change": _mean(-1.5, 30, "completers", "MME/day"),
    "injections_per_100_patient_years": _share(5, 40, "patients")
    | {
        "patient_years": 25.0,
        "estimate": 20.0,
        "ci_lower": 6.5,
        "ci_upper": 46.7,
        "unit": "per 100 patient-years",
    },
    "surgeries_per_100_patient_years": _share(0, 40, "patients")
    | {
        "patient_years": 25.0,
        "estimate": 0.0,
        "ci_lower": 0.0,
        "ci_upper": 14.8,
        "unit": "per 100 patient-years",
    },
}
_LIFE = {
    "rmdq_change": _mean(-4.0, 33, "completers", "points"),
    "rmdq_points": _share(20, 33, "completers"),
    "rmdq_worse": _share(2, 31, "completers"),
    "eqvas_change": _mean(6.0, 25, "completers", "points"),
}


def _whole(metric: str, where: dict, *, is_suppressed: bool, **values) -> dict:
    counts = {
        "n_patients": 60,
        "n_missing": 0,
        "n_pending": 0,
        "n_not_evaluable": 0,
        "missing_rule": "left out",
    }
    of = {"metric_id": metric, "is_suppressed": is_suppressed} | what_it_is_of(metric)
    return STAMP | where | counts | values | of


def life() -> list[dict]:
    at = {"visit": "Month 3", "visit_day": 92}
    return [
        _whole(metric, stratum(), is_suppressed=False, **values) | at
        for metric, values in _LIFE.items()
    ]


def marts() -> dict[str, list[dict]]:
    return {
        "survival_curves": survival_curves(),
        "competing_risks": competing_risks(),
        "course_relief": course_relief(),
        "responder_curves": responder_curves(),
        "responder_disagreement": verdicts(),
        "reliable_change": reliable_changes(),
        "important_change": important_changes(),
        "adverse_event_comparisons": event_comparisons(),
        "dose_response": doses(),
        "adverse_event_groups": event_groups(),
        "alerts": alerts(),
        "metric_definitions": definitions(),
    }


def event_groups() -> list[dict]:
    """Two categories of each grouping, of any event and of serious ones: 6 events of 4 of 40
    patients, in 800 sessions.
    """
    rows = []
    for grouping, categories in (
        ("body_system", ("nervous system", "skin")),
        ("worst_grade", ("1", "2")),
        ("term_group", ("cold_injury", "syncope")),
    ):
        for category in categories:
            for is_serious in (False, True):
                row = (
                    STAMP
                    | stratum()
                    | {
                        "metric_id": "adverse_event_groups",
                        "grouping": grouping,
                        "category": category,
                    }
                )
                row |= dict.fromkeys(flag_columns(GROUP_RESTRICTIONS), False)
                row |= {"is_serious_only": is_serious}
                row |= {"patients": 40, "patients_with_event": 4, "sessions": 800, "events": 6}
                row |= {"incidence_proportion": 0.1, "events_per_100_sessions": 0.75}
                row |= {"incidence_proportion_lower": 0.03, "incidence_proportion_upper": 0.24}
                row |= {
                    "events_per_100_sessions_lower": 0.28,
                    "events_per_100_sessions_upper": 1.63,
                }
                if grouping == "worst_grade":
                    row |= dict.fromkeys([c for c in row if c.startswith("events")])
                rows.append(row)
    return rows
