"""Questionnaires and performance tests: asked on scheduled days, answered late, in part or never.

Here: `answer`. Not here: the true course of pain (plan.py), wearables (wearables.py).
"""

from datetime import date, timedelta

import numpy as np

from .effects import Effects
from .outbox import Outbox, chance, pick, stamp
from .plan import VISIT_DAYS
from .state import Clinic, Patient, Rating

LANGUAGE_OF = {"Europe/Berlin": "de", "Europe/Warsaw": "pl"}
P29_DOMAINS = {
    "pf": -0.35,
    "anx": 0.2,
    "dep": 0.2,
    "fat": 0.35,
    "slp": 0.3,
    "soc": -0.35,
    "pi": 0.45,
}
# test -> mean, SD between patients, improvement at the height of the effect, digits
TESTS = {
    "six_minute_walk": (455.0, 70.0, 25.0, 0),
    "timed_up_and_go": (9.5, 2.0, -0.7, 1),
    "five_sit_to_stand": (15.0, 4.0, -2.5, 1),
    "stair_climb_1_min": (72.0, 18.0, 7.0, 0),
    "fifty_foot_walk": (11.5, 2.0, -0.5, 1),
    "gait_speed_4_m": (1.1, 0.18, 0.05, 2),
    "lumbar_flexion_rom": (47.0, 11.0, 4.0, 0),
}


def answer(outbox: Outbox, patient: Patient, *, rng):
    """All of a patient's questionnaires and tests, around days counted from the patient's Day 1."""
    faithful = rng.beta(8, 1.6)  # the share of visits that this patient answers
    levels = {name: rng.normal(mean, sd) for name, (mean, sd, _, _) in TESTS.items()}
    for number, offset in enumerate(VISIT_DAYS):
        if number and not chance(rng, faithful * (0.96**number)):
            continue
        day = _visit_day(patient, offset=offset, rng=rng)
        if day < outbox.plan.end and patient.is_followed_on(day):
            _visit(outbox, patient, number=number, day=day, rng=rng)
            _tests(outbox, patient, number=number, day=day, levels=levels, rng=rng)
    _around_sessions(outbox, patient, rng=rng)


def _visit_day(patient: Patient, *, offset: int, rng) -> date:
    """Baseline in the week before Day 1, not before enrolment; the others around theirs, some much
    later.
    """
    day_one = patient.day_one
    if offset < 0:
        return max(day_one - timedelta(days=int(rng.integers(1, 8))), patient.enrolled_on)
    late = int(rng.exponential(9)) if chance(rng, 0.15) else 0
    return day_one + timedelta(
        days=max(offset - 1 + round(rng.normal(0, 0.02 * offset + 0.5)), 2) + late
    )


def pain_on(patient: Patient, day: date, *, effects: Effects, rng) -> float:
    """A rating before it is rounded: the patient's own level, natural course, treatment, noise."""
    gain = patient.improvement * patient.effect_on(day, effects=effects)
    noise = rng.normal(0, effects.pain_sd * np.sqrt(1 - effects.pain_reliability))
    return float(patient.trait - gain - effects.natural((day - patient.day_one).days) + noise)


def _visit(outbox: Outbox, patient: Patient, *, number: int, day: date, rng):
    clinic = patient.clinic_on(day)
    effects = outbox.plan.effects
    pain = (
        float(patient.baseline) if number == 0 else pain_on(patient, day, effects=effects, rng=rng)
    )
    sheets = {
        "nrs_pain": _nrs(pain, patient=patient, rng=rng),
        **_function(pain, patient=patient, rng=rng),
    }
    if number in (0, 3, 4, 5, 6):
        sheets["eq_5d_5l"] = {
            **{k: _graded(pain, 0.4, 5, rng=rng) for k in ("mo", "sc", "ua", "pd", "ad")},
            "vas": int(np.clip(round(rng.normal(88 - 6 * pain, 8)), 0, 100)),
        }
        sheets |= _promis(pain, clinic=clinic, rng=rng)
    if number == 0:
        sheets["start_back"] = _start_back(pain, rng=rng)
    else:
        better = (patient.baseline - pain) / 1.4
        sheets["pgic"] = {"pgic": int(np.clip(round(4 - better + rng.normal(0, 0.6)), 1, 7))}
    time = clinic.at(day, rng.uniform(7.5, 9.5) if number == 0 else rng.uniform(8, 21))
    for k, (instrument, items) in enumerate(sheets.items()):
        if k == 0 or not chance(rng, 0.04):
            send_answers(
                outbox,
                patient,
                instrument=instrument,
                items=items,
                time=time + 90 * k,
                clinic=clinic,
                rng=rng,
            )


def _nrs(pain: float, *, patient: Patient, rng) -> dict:
    average = int(np.clip(round(pain), 0, 10))
    leg = patient.indication == "radicular_pain"
    site = "neck_7d" if patient.indication == "chronic_neck_pain" else "back_7d"
    items = {"average_7d": average, site: int(np.clip(average + rng.integers(-1, 2), 0, 10))}
    if leg:
        items["leg_7d"] = int(np.clip(average + rng.integers(-2, 2), 0, 10))
    return items


def _function(pain: float, *, patient: Patient, rng) -> dict[str, dict]:
    if patient.indication == "chronic_neck_pain":
        return {"ndi": {f"s{k}": _graded(pain, 0.38, 6, rng=rng) - 1 for k in range(1, 11)}}
    share = 1 / (1 + np.exp(-(pain - 5 + np.linspace(-2.5, 2.5, 24)) / 1.4))
    sheets = {"rmdq": {f"q{k + 1}": int(x) for k, x in enumerate(rng.random(24) < share)}}
    if patient.clinic.position % 2 == 0:
        sheets["odi"] = {f"s{k}": _graded(pain, 0.38, 6, rng=rng) - 1 for k in range(1, 11)}
    return sheets


def _promis(pain: float, *, clinic: Clinic, rng) -> dict[str, dict]:
    if clinic.position % 3 == 0:
        items = {
            f"{d}{k}": _graded(pain if slope > 0 else 10 - pain, abs(slope), 5, rng=rng)
            for d, slope in P29_DOMAINS.items()
            for k in range(1, 5)
        }
        return {"promis_29": {**items, "pain": int(np.clip(round(pain), 0, 10))}}
    return {
        "promis_pi_6a": {f"q{k}": _graded(pain, 0.45, 5, rng=rng) for k in range(1, 7)},
        "promis_pf_6b": {f"q{k}": _graded(10 - pain, 0.42, 5, rng=rng) for k in range(1, 7)},
    }


def _start_back(pain: float, *, rng) -> dict:
    items = {f"q{k}": int(rng.random() < pain / 12) for k in range(1, 9)}
    return {**items, "q9": _graded(pain, 0.4, 5, rng=rng) - 1}


def _graded(pain: float, slope: float, levels: int, *, rng) -> int:
    """An item with answers 1 to `levels`, higher with pain."""
    answer = round(1 + slope * pain + rng.normal(0, 0.7))
    return int(np.clip(answer, 1, levels))


def send_answers(
    outbox: Outbox,
    patient: Patient,
    *,
    instrument: str,
    items: dict,
    time: int,
    clinic: Clinic,
    rng,
    context: str = "scheduled",
    session_id: str | None = None,
):
    """One response; one in twelve of the longer ones misses an item. A rating of the week's pain is
    noted.
    """
    if len(items) > 4 and chance(rng, 0.08):
        items = items | {pick(rng, tuple(items)): None}
    number = f"{time % 100_000_000:08d}"
    response_id = f"RE-{patient.patient_id}-{instrument}-{number}"
    outbox.met(patient, at=time)
    sent = outbox.record(
        "responses",
        response_id,
        {
            "response_id": response_id,
            "patient_id": patient.id_at(time),
            "clinic_id": clinic.clinic_id,
            "instrument": instrument,
            "instrument_version": "1",
            "context": context,
            "session_id": session_id,
            "answered_at": stamp(time, clinic.zone),
            "items": items,
            "language": LANGUAGE_OF.get(clinic.timezone, "en"),
            "mode": pick(rng, ("app", "paper", "interview"), (80, 15, 5)),
        },
        rng=rng,
        key=patient.id_at(time),
        time=time,
        zone=clinic.zone,
        source="app",
        recorded=time + 86_400 * int(rng.integers(2, 9)) if chance(rng, 0.05) else time,
    )
    if sent is not None and "average_7d" in items:
        value = items["average_7d"]
        patient.ratings.append(Rating(at=time, day=clinic.day(time), value=value))


def _around_sessions(outbox: Outbox, patient: Patient, *, rng):
    """Pain now, before and after a session, in patients who do that at all."""
    if not chance(rng, 0.5):
        return
    for session in patient.sessions:
        if not session.is_started or not chance(rng, 0.8):
            continue
        day = patient.clinic.day(session.started_at)
        clinic = patient.clinic_on(day)
        now = pain_on(patient, day, effects=outbox.plan.effects, rng=rng)
        for context, at, less in (
            ("pre_session", -1500, 0.0),
            ("post_session", 1500, rng.normal(1.0, 0.7)),
        ):
            items = {"now": int(np.clip(round(now - less), 0, 10))}
            if session.started_at + at < outbox.plan.ends_at:
                send_answers(
                    outbox,
                    patient,
                    instrument="nrs_pain",
                    items=items,
                    time=session.started_at + at,
                    clinic=clinic,
                    context=context,
                    session_id=session.session_id,
                    rng=rng,
                )


def _tests(outbox: Outbox, patient: Patient, *, number: int, day: date, levels: dict, rng):
    """Performance tests at four of the visits; some are not done, which is a null and a fact."""
    if number not in (0, 3, 4, 5) or patient.position % 2:
        return
    clinic = patient.clinic_on(day)
    share = patient.effect_on(day, effects=outbox.plan.effects)
    for k, (test, (_, sd, gain, digits)) in enumerate(TESTS.items()):
        if not chance(rng, 0.7):
            continue
        value = max(levels[test] + gain * share + rng.normal(0, 0.12 * sd), 0.05 * TESTS[test][0])
        time = clinic.at(day, 10.0) + 600 * k
        test_id = f"PT-{patient.patient_id}-{number}-{test}"
        outbox.met(patient, at=time)
        outbox.record(
            "performance_tests",
            test_id,
            {
                "test_id": test_id,
                "patient_id": patient.id_at(time),
                "clinic_id": clinic.clinic_id,
                "performed_at": stamp(time, clinic.zone),
                "test": test,
                "value": round(float(value), digits) if not chance(rng, 0.02) else None,
                "is_assisted": chance(rng, 0.03),
            },
            rng=rng,
            key=patient.id_at(time),
            time=time,
            zone=clinic.zone,
        )
