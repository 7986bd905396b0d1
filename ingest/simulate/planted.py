"""What was planted that calls for somebody's attention, by the simulator's own knowledge.

Here: `planted`, from what was drawn. Not here: the rules by which Floe finds it
(transforms/alerting), events.
"""

from typing import NamedTuple

from transforms.facts.limits import LIMITS

from .state import AdverseEvent, Patient, Session, Trouble
from .truth import Truth


class Planted(NamedTuple):
    """One cause. `record_id` as sent. `stands`: it counts after the last correction; else it did
    for a time.
    """

    rule: str
    record_id: str
    clinic_id: str
    stands: bool


def planted(truth: Truth) -> set[Planted]:
    """Of adverse events, device deficiencies, incidents and sessions, each cause once."""
    events = {_of_event(e) for p in truth.patients for e in p.adverse_events}
    troubles = {_of_trouble("device_deficiency", t) for t in truth.deficiencies}
    troubles |= {_of_trouble("incident", t) for t in truth.incidents}
    sessions = {
        cause
        for p in truth.patients
        for s in p.sessions
        if s.is_started or s.entered_in_error
        for cause in _of_session(p, s)
    }
    return {cause for cause in events | troubles | sessions if cause is not None}


def _of_event(event: AdverseEvent) -> Planted | None:
    grave = event.injury_kind is not None or event.is_serious
    if not grave and event.worst_grade < 3:
        return None
    stands = not event.entered_in_error and (grave or event.grade >= 3)
    return Planted("harm", event.ae_id, event.clinic_id, stands)


def _of_trouble(rule: str, trouble: Trouble) -> Planted:
    return Planted(rule, trouble.record_id, trouble.clinic_id, True)


def _of_session(patient: Patient, session: Session) -> set[Planted]:
    rules = {LIMITS[limit].alert.id for limit in session.excess}
    earlier = [
        c for c in patient.consults if max(c.occurred_at, c.recorded_at) <= session.started_at
    ]
    latest = max(earlier, key=lambda c: c.occurred_at, default=None)
    if latest is None or not latest.clears(session.modality, at=session.started_at):
        rules.add("session_without_clearance")
    if session.is_screened_out or (latest is not None and latest.outcome != "cleared"):
        rules.add("session_contraindicated")
    stands = session.is_placed  # of one without a start it is not known what was allowed
    return {Planted(rule, session.session_id, session.clinic_id, stands) for rule in rules}
