"""A small real lake of three clinics with marts written by hand, for tests of pages.

Here: rows that conform to transforms/schemas. Not here: what a test expects of them (it says so
itself).
"""

from datetime import UTC, date, datetime, timedelta

from ingest.lake import Lake
from tests.dashboards import small_devices, small_study, small_summaries
from tests.dashboards.rows import CUT, STAMP, frame, stratum, what_it_is_of
from transforms.facts.restrictions import flag_columns
from transforms.schemas import APP_TABLES, BOOKKEEPING, CORE_TABLES, MART_TABLES, RAW_TABLES, Table
from transforms.schemas.app import RELEASED

VISITS = (("Baseline", 1), ("Week 4", 29), ("Month 3", 92), ("End of course", None))
EVENT = "AE1"
_BOOKS = {t.name: t for t in BOOKKEEPING}


def cohort(metric: str, where: dict, visit, **values) -> dict:
    name, day = visit
    counts = {
        "n_patients": 60,
        "n_due": 60,
        "n_pending": 0,
        "n_not_evaluable": 0,
        "missing_rule": "observed cases only",
    }
    return (
        STAMP
        | where
        | counts
        | {"metric_id": metric, "visit": name, "visit_day": day, "population": "completers"}
        | what_it_is_of(metric)
        | values
    )


def cohort_rows(where: dict, *, start: float, n: int, is_suppressed: bool = False) -> list[dict]:
    """Means, changes, responders of NRS7D and means of STEPS and HRMEAN: falling by 1 point a visit
    from `start`.
    """
    rows = []
    for k, visit in enumerate(VISITS):
        values = {
            "n_evaluable": n,
            "n_missing": 60 - n,
            "unit": "points",
            "is_suppressed": is_suppressed,
        }
        mean = start - k
        limits = {"estimate": mean, "ci_lower": mean - 0.5, "ci_upper": mean + 0.5}
        rows.append(cohort("nrs7d_mean", where, visit, **values, **limits))
        steps = values | {
            "unit": "steps/day",
            "estimate": 5000.0 + 200 * k,
            "ci_lower": 4500.0,
            "ci_upper": 6500.0,
        }
        rows.append(cohort("steps_mean", where, visit, **steps))
        pulse = values | {
            "unit": "/min",
            "estimate": 66.0 - 0.5 * k,
            "ci_lower": 62.0,
            "ci_upper": 69.0,
        }
        rows.append(cohort("hrmean_mean", where, visit, **pulse))
        if k:
            change = {"estimate": -float(k), "ci_lower": -k - 0.4, "ci_upper": -k + 0.4}
            rows.append(cohort("nrs7d_change", where, visit, **values, **change))
            for population, of in (("completers", n), ("missing_as_nonresponder", 60)):
                share = {
                    "n_event": 21,
                    "estimate": 21 / of,
                    "ci_lower": 0.2,
                    "ci_upper": 0.6,
                    "unit": "proportion",
                }
                rows.append(
                    cohort(
                        "nrs7d_pct30", where, visit, **(values | share | {"population": population})
                    )
                )
    return rows


def cohorts() -> list[dict]:
    trial = [
        row | {"metric_id": metric, "unit": "score"} | what_it_is_of(metric)
        for arm, start in (("acupuncture", 25.0), ("control", 27.0))
        for row in cohort_rows(stratum(arm=arm), start=start, n=30)
        if row["parameter"] == "NRS7D"
        for metric in (row["metric_id"].replace("nrs7d", "painidx"),)
    ]
    every = [r | {"n_evaluable": 30} | stratum() for r in trial if r["arm"] == "control"]
    return [
        *cohort_rows(stratum(), start=6.0, n=50),
        *cohort_rows(stratum(clinic_id="C1"), start=7.0, n=40),
        *cohort_rows(stratum(clinic_id="C2"), start=5.0, n=3, is_suppressed=True),
        *cohort_rows(stratum(clinic_id="C1", modality="whole_body"), start=7.0, n=40),
        *cohort_rows(stratum(modality="whole_body"), start=6.5, n=45),
        *cohort_rows(stratum(indication="chronic_low_back_pain"), start=6.2, n=45),
        *trial,
        *every,
        *small_summaries.treatment_and_care(),
    ]


def rate(
    where: dict, *, term: str | None, events: int, is_suppressed: bool = False, **only
) -> dict:
    """Rates of 40 patients, 800 sessions and 8 patient-years; the limits are made up but
    ordered.
    """
    row = (
        STAMP
        | where
        | {"metric_id": "adverse_event_rates", "term": term, "events": events, "min_grade": None}
    )
    row |= dict.fromkeys(flag_columns(), False) | only
    row |= {
        "patients": 40,
        "patients_with_event": events,
        "sessions": 800,
        "sessions_asked": 700,
        "patient_years": 8.0,
    }
    row |= {
        "patient_years_at_risk": 7.5,
        "unread_records": 2,
        "overdispersion": 1.2,
        "is_suppressed": is_suppressed,
    }
    for name, per in (
        ("incidence_proportion", 40),
        ("events_per_100_sessions", 8),
        ("eair_per_100_patient_years", 0.075),
        ("events_per_100_patient_years", 0.08),
    ):
        row |= {
            name: events / per,
            f"{name}_lower": 0.5 * events / per,
            f"{name}_upper": (events + 4) / per,
        }
    return row


def rates() -> list[dict]:
    rows = []
    for where, is_suppressed in (
        (stratum(), False),
        (stratum(clinic_id="C1"), False),
        (stratum(clinic_id="C2"), True),
        (stratum(clinic_id="C3"), False),
    ):
        for term, events in ((None, 7), ("frostbite", 3), ("skin erythema", 4), ("syncope", 0)):
            rows.append(rate(where, term=term, events=events, is_suppressed=is_suppressed))
            rows.append(
                rate(where, term=term, events=0, is_serious_only=True, is_suppressed=is_suppressed)
            )
    return rows


def comparisons() -> list[dict]:
    base = STAMP | {
        "metric_id": "arm_difference_ancova",
        "study_id": "ROUTINE",
        "parameter": "PAINIDX",
        "visit": "Month 3",
        "arm": "acupuncture",
        "reference_arm": "control",
        "allocation": "randomised",
        "population": "completers",
        "n_arm": 30,
        "n_reference": 28,
        "estimate": -4.6,
        "ci_lower": -7.05,
        "ci_upper": -2.16,
        "p_value": 0.0003,
        "method": "ancova",
        "unit": "score",
        "direction": "lower",
        "adjusted_for": ["baseline", "age"],
    }
    share = {
        "metric_id": "arm_risk_difference",
        "criterion": "PCT30",
        "method": "risk_difference",
        "estimate": 0.2,
        "ci_lower": 0.05,
        "ci_upper": 0.35,
        "x_arm": 12,
        "x_reference": 7,
        "p_value": None,
        "unit": "proportion",
        "direction": "higher",
    }
    return [base, base | share]


def funnels() -> list[dict]:
    limits = {
        "lower_95": 0.05,
        "upper_95": 0.5,
        "lower_998": 0.01,
        "upper_998": 0.7,
        "target": 0.2,
        "clinics": 3,
    }
    return [
        STAMP
        | limits
        | {
            "metric_id": "adverse_event_rates",
            "clinic_id": clinic,
            "kind": "proportion",
            "numerator": 8.0,
            "denominator": 40.0 + k,
            "estimate": 0.2 + 0.4 * (k == 2),
            "signal": "high_95" if k == 2 else "none",
            "limit_share": (0.4, 0.78, 1.2)[k],
            "nearness": (
                "3 cold injuries in 3 of 40 patients; 40 % of the limit",
                "7 cold injuries in 6 of 41 patients, rising since August 2025; 78 % of the limit",
                "9 cold injuries in 9 of 42 patients; above the 95 % limit",
            )[k],
            "reference_reason": "no reference is stated",
        }
        for k, clinic in enumerate(("C1", "C2", "C3"))
    ]


def control_charts() -> list[dict]:
    return [
        STAMP
        | {
            "metric_id": "adverse_event_rates",
            "chart": "u",
            "clinic_id": "C1",
            "point": k,
            "value": 1.0 + 4 * (k == 9),
            "period_start": date(2026, 1, 1) + timedelta(days=30 * k),
            "numerator": 3.0,
            "denominator": 100.0,
            "center": 1.4,
            "lower": 0.0,
            "upper": 3.0,
            "is_outside": k == 9,
            "is_trend": False,
            "is_shift": False,
            "is_two_of_three": False,
            "is_trial_limits": True,
            "baseline_points": 10,
            "signal_direction": "high" if k == 9 else None,
            "point_type": "outside" if k == 9 else "common_cause",
            "variation_icon": "special_cause_concern" if k == 9 else "common_cause",
        }
        for k in range(10)
    ]


def patients() -> dict[str, list[dict]]:
    """One patient of C1 with sessions, answers, steps and events; a second without anything."""
    who = {"STUDYID": "ROUTINE", "SUBJID": "P1", "USUBJID": "P1", "SITEID": "C1"}
    day = date(2026, 3, 2)
    sessions = [
        who
        | {
            "CLINICID": "C1",
            "EXSEQ": k + 1,
            "SESSIONID": f"S{k}",
            "MODALITY": "whole_body",
            "EXSTAT": "delivered",
            "EVENTID": f"SE{k}",
            "EXSTDTM": datetime(2026, 3, 2 + k, 9, tzinfo=UTC),
            "EXDUR": 150.0,
            "CABMINC": -110.0,
            "SKINMINC": 8.5,
            "CLEARFL": "N" if k == 0 else "Y",
            "TEMPLOFL": "Y" if k == 1 else "N",
        }
        for k in range(5)
    ]
    answers = [
        who
        | {
            "PARAMCD": "NRS7D",
            "PARAM": "Pain",
            "ADT": day + timedelta(days=28 * k),
            "AVAL": 7.0 - k,
            "AVALU": "points",
            "AVISIT": "Week 4",
            "ADTM": datetime(2026, 3, 2, 8, tzinfo=UTC) + timedelta(days=28 * k),
            "EVENTID": f"R{k}",
            "BASE": 7.0,
            "CHG": -float(k),
        }
        for k in range(3)
    ]
    answers.append(answers[0] | {"AVAL": None, "NEREASON": "not answered", "EVENTID": "R9"})
    steps = [
        who
        | {
            "PARAMCD": "STEPS",
            "PARAM": "Steps",
            "ADT": day + timedelta(days=7 * k),
            "AVAL": 5000.0 + 100 * k,
            "AVALU": "steps/day",
            "WEEKSTDT": day + timedelta(days=7 * k),
            "VALIDDAYS": 5,
        }
        for k in range(4)
    ]
    pulse = {"PARAMCD": "HRMEAN", "PARAM": "Heart rate, mean of the day", "AVALU": "/min"}
    pulses = [
        week | pulse | {"AVAL": value, "NEREASON": None if value else "too few valid days"}
        for week, value in zip(steps, (64.0, None, 66.0, 65.0), strict=True)
    ]
    event = who | {
        "CLINICID": "C1",
        "AESEQ": 1,
        "AEID": "A1",
        "AETERM": "cold burn",
        "AEDECOD": "frostbite",
        "AETOXGR": 2,
        "AESER": "Y",
        "AEREL": "probable",
        "ASTDT": day,
        "ASTDTM": datetime(2026, 3, 2, 10, tzinfo=UTC),
        "AEOUT": "ongoing",
        "TRTEMFL": "Y",
        "EVENTID": EVENT,
    }
    unknown = event | {
        "AESEQ": 2,
        "AEID": "A2",
        "ASTDT": None,
        "ASTDTM": None,
        "AEOUT": "resolved",
        "EVENTID": "AE2",
    }
    outcome = STAMP | {
        "metric_id": "patient_outcomes",
        "patient_id": "P1",
        "clinic_id": "C1",
        "pain_parameter": "NRS7D",
        "pain_baseline": 7.0,
        "pain_latest": 5.0,
        "pain_change": -2.0,
        "walking_speed_reason": "never measured",
    }
    person = who | {
        "NSESS": 5,
        "DAY1DT": day,
        "TRTSDT": day,
        "AGE": 51.0,
        "SEX": "F",
        "INDICATN": "chronic_low_back_pain",
        "MODALITY": "whole_body",
        "EOSSTT": "ONGOING",
        "SAFFL": "Y",
        "LSTCONDT": date(2026, 6, 1),
    }
    return {
        "adsl": [person, person | {"USUBJID": "P2", "NSESS": 0, "TRTSDT": None, "SAFFL": "N"}],
        "adex": sessions,
        "adqs": answers,
        "adact": steps + pulses,
        "adae": [event, unknown],
        "patient_outcomes": [outcome],
    }


def deadlines() -> list[dict]:
    return [
        STAMP
        | {
            "metric_id": "report_deadlines",
            "subject_kind": "adverse_event",
            "subject_id": "A1",
            "clinic_id": "C1",
            "country": "US",
            "harm": "death",
            "person": "patient",
            "rule": "us_user_facility_death_to_fda",
            "duty": "A death to the FDA, no more than 10 work days after the day of becoming aware",
            "rule_source": "21 CFR 803.30",
            "rule_verification": "verified",
            "clock_start": date(2026, 11, 18),
            "due_on": date(2026, 12, 2),
            "state": "open",
            "days_left": 12,
        }
    ]


def checks() -> list[dict]:
    return [
        {
            "table": "mart.adsl",
            "check": "key_is_unique",
            "is_passed": passed,
            "failing_rows": int(not passed),
            "rows": 2,
            "sample": None if passed else '{"USUBJID": "P-SAMPLE"}',
            "checked_at": CUT,
        }
        for passed in (True, False)
    ]


def marts() -> dict[str, list[dict]]:
    return patients() | {
        "cohort_outcomes": cohorts(),
        "adverse_event_rates": rates(),
        "arm_comparisons": [*comparisons(), small_study.comparison()],
        "study_plans": small_study.plans(),
        "consort_flow": small_study.flows(),
        "analysis_sets": small_study.sets(),
        "clinic_funnel": funnels(),
        "control_charts": control_charts(),
        "report_deadlines": deadlines(),
        "device_events": small_devices.device_events(),
        "device_event_rates": small_devices.device_event_rates(),
        "check_results": checks(),
        **small_summaries.marts(),
    }


def alert(alert_id: str, position: int, **row) -> dict:
    """An event of an alert of A1 in clinic C1, written and told at the data cut, where a test does
    not say otherwise.
    """
    place = {
        "kafka_topic": "floe.alerts.v1",
        "kafka_topic_id": "t",
        "kafka_partition": 0,
        "kafka_offset": position,
    }
    given = {
        "event_id": f"{alert_id}/{position}",
        "source": "/floe/alerts",
        "event_time": CUT,
        "ingested_at": CUT,
    }
    given |= {
        "alert_id": alert_id,
        "rule": "harm",
        "tier": "now",
        "state": "open",
        "news": "opened",
        "revision": 0,
    }
    given |= {
        "clinic_id": "C1",
        "subject_kind": "adverse_event",
        "subject_id": "A1",
        "evidence": [EVENT],
    }
    given |= {
        "occurred_at": CUT - timedelta(hours=3),
        "landed_at": CUT,
        "told_at": CUT,
        "recorded_at": CUT,
    }
    given |= {"finding": "cold burn, grade 2, serious", "assigned_role": "duty_clinician"}
    return dict.fromkeys(RAW_TABLES["alerts"].names) | place | given | row


def alerts() -> list[dict]:
    """Harm that nobody has in hand, a device that Dr. A has, a limit that is noted, one that is
    closed.
    """
    device = {
        "rule": "device_calibration_overdue",
        "tier": "today",
        "subject_kind": "device",
        "subject_id": "D1",
        "finding": "due 2026-11-01",
        "assigned_role": "technician",
    }
    later = {
        "recorded_at": CUT + timedelta(minutes=4),
        "ingested_at": CUT + timedelta(minutes=4),
        "revision": 1,
    }
    person = later | {
        "source": "/floe",
        "acknowledged_at": CUT + timedelta(minutes=4),
        "recorded_by_role": "Dr. A",
        "acknowledged_by": "Dr. A",
    }
    noted = {
        "rule": "cabin_too_cold",
        "tier": "noted",
        "subject_kind": "session",
        "subject_id": "S1",
        "clinic_id": "C2",
        "finding": "-110.4, lowest allowed -110",
    }
    return [
        alert("AL1", 0),
        alert("AL2", 1, **device),
        alert("AL2", 2, **device | person | {"state": "acknowledged", "news": "acknowledged"}),
        alert("AL3", 3, **noted),
        alert("AL4", 4, tier="now", subject_id="A2"),
        alert(
            "AL4",
            5,
            **person
            | {
                "state": "closed",
                "news": "closed",
                "finding": "the nozzle was bent",
                "subject_id": "A2",
            },
        ),
    ]


def raws() -> dict[str, tuple[Table, list[dict]]]:
    """What landed: an adverse event twice (the first counts), a batch, a reject that holds a
    patient's id.
    """
    place = {"kafka_topic": "floe.adverse_events.v1", "kafka_topic_id": "t", "kafka_partition": 1}
    at = {
        "event_id": EVENT,
        "source": "/test",
        "event_time": CUT,
        "ingested_at": CUT,
        "ae_id": "A1",
        "patient_id": "P1",
        "clinic_id": "C1",
        "term": "cold burn",
        "injury_kind": "burn",
        "grade": 2,
        "is_serious": True,
        "onset_at": CUT - timedelta(hours=3),
    }
    copy = at | {"ingested_at": CUT + timedelta(seconds=5)}
    reject = place | {
        "kafka_offset": 44,
        "reason": "missing_field",
        "field": "term",
        "is_safety": True,
        "ingested_at": CUT,
        "detail": 'found {"patient_id":"P-SECRET"}, expected a text',
        "value": b"P-SECRET",
    }
    batch = place | {
        "first_position": 0,
        "next_position": 90,
        "rows": 88,
        "rejects": 2,
        "checksum": "0",
        "landed_at": CUT,
    }
    return {
        "adverse_events": (
            RAW_TABLES["adverse_events"],
            [at | place | {"kafka_offset": 41}, copy | place | {"kafka_offset": 43}],
        ),
        "alerts": (RAW_TABLES["alerts"], alerts()),
        "rejects": (_BOOKS["rejects"], [reject]),
        "ledger": (_BOOKS["ledger"], [batch]),
        "clinics": (
            CORE_TABLES["clinics"],
            [
                {"clinic_id": c, "name": f"Clinic {c}", "timezone": "UTC"}
                for c in ("C1", "C2", "C3")
            ],
        ),
        "data_cut": (
            CORE_TABLES["data_cut"],
            [{"lake_snapshot": 1, "data_cutoff": CUT, "records": 80, "started_at": CUT}],
        ),
    }


RELEASE = {
    "release_id": 1,
    "lake_snapshot": 1,
    "data_cutoff": CUT,
    "released_at": CUT + timedelta(hours=1),
}


def fill(settings) -> None:
    """Makes the lake of `settings` and writes everything above, summaries also as released, with
    the same marks.
    """
    with Lake.open(settings) as lake:
        for name, rows in marts().items():
            _replace(lake, MART_TABLES[name], rows)
            if name in RELEASED:
                _replace(lake, RELEASED[name], rows)
        _replace(lake, APP_TABLES["releases"], [RELEASE])
        for table, rows in raws().values():
            _replace(lake, table, rows)


def _replace(lake: Lake, table: Table, rows: list[dict]) -> None:
    lake.write(lambda w: w.replace(table, frame(table, rows)))
