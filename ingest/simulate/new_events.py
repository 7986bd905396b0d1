"""Which of a patient's adverse events are new ones, by the rule that the simulator's account shares
with the marts.

Here: the clean window, by the simulator's own arithmetic. Not here: counting them (truth.py).
"""

from .state import AdverseEvent, Patient

DAY_S = 86_400
CLEAN_WINDOW_S = 7 * DAY_S


def new_events(patient: Patient) -> list[AdverseEvent]:
    """The events without further records of a term that an earlier one covers: till 7 days after
    its end, or for good where it has no end and goes on; one of unknown onset is always new.
    """
    new, covered = [], {}
    events = [e for e in patient.adverse_events if not e.entered_in_error]
    for event in sorted(
        (e for e in events if e.onset_at is not None), key=lambda e: (e.onset_at, e.ae_id)
    ):
        if event.onset_at > covered.get(event.term, -1):
            new.append(event)
        if event.resolved_at is not None:
            covered[event.term] = max(
                covered.get(event.term, -1), event.resolved_at + CLEAN_WINDOW_S
            )
        elif event.is_ongoing:
            covered[event.term] = float("inf")
    return new + [e for e in events if e.onset_at is None]


def ended_before(event: AdverseEvent, patient: Patient) -> bool:
    first = min(s.day for s in patient.sessions if s.is_started)
    clinic = patient.clinic
    return event.resolved_at is not None and clinic.day(event.resolved_at) < first
