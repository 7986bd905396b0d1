"""Adverse events: what happens, what of it is told, and how its record changes afterwards.

Here: `side_effects` of a session, `background` events that treatment does not cause, and their
revisions. Not here: rates (plan.py), device deficiencies and incidents (clinics.py).
"""

from datetime import datetime, timedelta

from .effects import SideEffect
from .outbox import DAY_S, Outbox, chance, pick, stamp
from .state import AdverseEvent, Clinic, Patient, Session

CRITERIA = ("hospitalisation", "life_threatening", "permanent_impairment", "intervention_required")


def side_effects(outbox: Outbox, patient: Patient, *, session: Session, clinic: Clinic, rng):
    """What this session causes. A mild effect that nobody asked about is often not told, so never
    sent.
    """
    effects = outbox.plan.effects
    draws = rng.random(len(effects.side_effects))
    for effect, draw in zip(effects.side_effects, draws, strict=True):
        if draw >= effects.rate(effect, clinic=clinic.position):
            continue
        onset = session.started_at + int(rng.exponential(6 * 3600))
        if not _is_present(patient, clinic=clinic, at=onset, end=outbox.plan.ends_at):
            continue
        outbox.truth.happened[(clinic.clinic_id, effect.term)] += 1
        grade = 1 + pick(rng, range(len(effect.grades)), effect.grades)
        if grade > 1 or session.is_asked or chance(rng, effects.spontaneous_share):
            _report(
                outbox,
                patient,
                effect=effect,
                clinic=clinic,
                onset=onset,
                grade=grade,
                session=session,
                rng=rng,
            )


def background(outbox: Outbox, patient: Patient, *, rng):
    """What would have happened anyway, at yearly rates, from enrolment to the end; and a death,
    where one is due.
    """
    plan = outbox.plan
    last = min(plan.end, patient.stopped_on or plan.end)
    days = (last - patient.enrolled_on).days
    for effect in plan.effects.background:
        for _ in range(rng.poisson(max(days, 0) * effect.rate / 365.25)):
            day = patient.enrolled_on + timedelta(days=int(rng.integers(days)))
            clinic = patient.clinic_on(day)
            onset = clinic.at(day, rng.uniform(0, 23.9))
            grade = 1 + pick(rng, range(len(effect.grades)), effect.grades)
            if _is_present(patient, clinic=clinic, at=onset, end=plan.ends_at):
                _report(
                    outbox,
                    patient,
                    effect=effect,
                    clinic=clinic,
                    onset=onset,
                    grade=grade,
                    session=None,
                    rng=rng,
                )
    if patient.stop == "died":
        _death(outbox, patient, rng=rng)


def _is_present(patient: Patient, *, clinic: Clinic, at: int, end: int) -> bool:
    return at < end and patient.is_followed_on(clinic.day(at))


def _report(
    outbox: Outbox,
    patient: Patient,
    *,
    effect: SideEffect,
    clinic: Clinic,
    onset: int,
    grade: int,
    session: Session | None,
    rng,
):
    """First record, then its revisions, as far as they are written before the simulation ends."""
    aware = onset + int(rng.exponential(18 * 3600))
    if aware >= outbox.plan.ends_at:
        return
    serious = grade >= 4 or chance(rng, effect.serious_share)
    resolved = onset + max(600, int(3600 * effect.median_hours * rng.lognormal(0, 0.8)))
    data = _first(
        patient,
        effect=effect,
        clinic=clinic,
        onset=onset,
        aware=aware,
        grade=grade,
        serious=serious,
        session=session,
        ae_id=_number(outbox, patient, clinic=clinic),
        rng=rng,
    )
    versions = [(aware, data)]
    if resolved <= aware:
        data |= {"outcome": "resolved", "resolved_at": stamp(resolved, clinic.zone)}
    versions += _follow_up(data, aware=aware, resolved=resolved, clinic=clinic, rng=rng)
    versions = [v for v in versions if v[0] < outbox.plan.ends_at]
    _send(outbox, patient, clinic=clinic, onset=onset, versions=versions, rng=rng)


def _number(outbox: Outbox, patient: Patient, *, clinic: Clinic) -> str:
    usual = f"AE-{patient.patient_id}-{len(patient.adverse_events) + 1:02d}"
    return outbox.number(clinic, of="adverse_events", usual=usual)


def _first(
    patient: Patient,
    *,
    effect: SideEffect,
    clinic: Clinic,
    onset: int,
    aware: int,
    grade: int,
    serious: bool,
    session: Session | None,
    ae_id: str,
    rng,
) -> dict:
    is_free = bool(effect.free_text) and chance(rng, 0.06)
    known_onset = not chance(rng, 0.03)
    is_linked = session is not None and chance(rng, 0.9)
    related = pick(rng, ("possible", "probable", "causal"), (4, 4, 2)) if session else "not_related"
    data = {
        "ae_id": ae_id,
        "patient_id": patient.id_at(onset),
        "clinic_id": clinic.clinic_id,
        "session_id": session.session_id if is_linked else None,
        "term": pick(rng, effect.free_text) if is_free else effect.term,
        "preferred_term": None if is_free else effect.term,
        "body_system": effect.body_system,
        "body_site": pick(rng, ("lower_back", "feet", "hands", None)),
        "grade": grade,
        "initial_grade": grade,
        "is_serious": serious,
        "serious_criteria": [pick(rng, CRITERIA)] if serious else [],
        "related": related,
        "is_expected": session is not None and effect.rate > 0.001,
        "injury_kind": effect.injury_kind,
        "ascertainment": "solicited" if session and session.is_asked else "spontaneous",
        "onset_at": stamp(onset, clinic.zone) if known_onset else None,
        "outcome": "ongoing",
        "action_taken": pick(
            rng, ("none", "session_stopped", "course_paused", "treated"), (80, 8, 6, 6)
        ),
        "aware_at": stamp(aware, clinic.zone),
    }
    if serious:
        data["reported_at"] = (
            stamp(aware + int(rng.uniform(1, 12) * DAY_S), clinic.zone)
            if chance(rng, 0.7)
            else None
        )
        data["reported_to"] = "manufacturer"
    return data


def _follow_up(
    data: dict, *, aware: int, resolved: int, clinic: Clinic, rng
) -> list[tuple[int, dict]]:
    """(written down, content): worse on the way, resolved, corrected, or entered in error."""
    versions, now, at = [], data, aware
    if data["outcome"] == "ongoing":
        if chance(rng, 0.06) and now["grade"] < 3:
            now, at = now | {"grade": now["grade"] + 1}, at + max((resolved - at) // 2, 60)
            versions.append((at, now))
        if not chance(rng, 0.08):  # the others are never followed up
            outcome = pick(rng, ("resolved", "resolved_with_sequelae"), (97, 3))
            at = max(resolved, at) + int(rng.exponential(DAY_S)) + 1
            now = now | {"outcome": outcome, "resolved_at": stamp(resolved, clinic.zone)}
            versions.append((at, now))
    draw = rng.random()
    if draw < 0.02:
        now = now | {"preferred_term": now["preferred_term"] or "paraesthesia", "grade": 1}
        at = at + 2 * DAY_S
        versions.append((at, now))
    elif draw < 0.035:
        versions.append((at + 3 * DAY_S, now | {"record_status": "entered_in_error"}))
    return versions


def _send(
    outbox: Outbox,
    patient: Patient,
    *,
    clinic: Clinic,
    onset: int,
    versions: list[tuple[int, dict]],
    rng,
):
    for revision, (written, data) in enumerate(versions):
        time = (
            onset if data["onset_at"] else versions[0][0]
        )  # of an unknown onset, when it became known
        outbox.record(
            "adverse_events",
            data["ae_id"],
            data,
            rng=rng,
            key=data["patient_id"],
            time=time,
            zone=clinic.zone,
            recorded=written,
            revision=revision,
            role="nurse",
            source=outbox.plan.records_of(clinic.position),
        )
    data = versions[-1][1]
    patient.adverse_events.append(
        AdverseEvent(
            ae_id=data["ae_id"],
            clinic_id=clinic.clinic_id,
            reported_term=data["term"],
            term=data["preferred_term"] or data["term"].lower(),
            grade=data["grade"],
            is_serious=data["is_serious"],
            related=data["related"],
            onset_at=onset if data["onset_at"] else None,
            aware_at=_unix(data["aware_at"]),
            resolved_at=_unix(data.get("resolved_at")),
            is_fatal=data["outcome"] == "fatal",
            is_ongoing=data["outcome"] == "ongoing",
            session_id=data["session_id"],
            entered_in_error=data.get("record_status") == "entered_in_error",
            worst_grade=max(version["grade"] for _, version in versions),
            injury_kind=data["injury_kind"],
        )
    )


def _unix(moment: str | None) -> int | None:
    if moment is None:
        return None
    return int(datetime.fromisoformat(moment).timestamp())


def _death(outbox: Outbox, patient: Patient, *, rng):
    """A death that treatment did not cause: grade 5, serious, fatal, on the day of the status
    record.
    """
    clinic = patient.clinic_on(patient.stopped_on)
    onset = clinic.at(patient.stopped_on, rng.uniform(0.5, 11.0))
    if onset + 3600 >= outbox.plan.ends_at:
        return
    effect = SideEffect(
        term="sudden cardiac death", rate=0.0, body_system="Cardiac disorders", serious_share=1.0
    )
    data = _first(
        patient,
        effect=effect,
        clinic=clinic,
        onset=onset,
        aware=onset + 3600,
        grade=5,
        serious=True,
        session=None,
        ae_id=_number(outbox, patient, clinic=clinic),
        rng=rng,
    )
    data |= {
        "serious_criteria": ["death"],
        "outcome": "fatal",
        "onset_at": stamp(onset, clinic.zone),
    }
    _send(outbox, patient, clinic=clinic, onset=onset, versions=[(onset + 3600, data)], rng=rng)
