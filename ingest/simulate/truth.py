"""What was really sent, counted by the simulator itself: tests compare the lake with it.

Here: `Truth`, `Broken`. Not here: anything read back from an event's bytes, and no code of the
marts.
"""

from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property

import orjson

from .episode_truth import parted
from .new_events import DAY_S, ended_before, new_events
from .outcome_truth import OutcomeTruth
from .plan import Plan
from .state import AdverseEvent, Patient, Session, Trouble
from .truth_words import count_rows, effects_in_words, listed, totals

HOUR_S = 3_600
# What a record is: an event in time, one that is late, a copy, other content under an identity, a
# broken record.
ORIGINAL, LATE, DUPLICATE, CONFLICT, BROKEN = range(5)


@dataclass(frozen=True)
class Broken:
    """A record that must be set aside: `value` None is a tombstone, `field` None where the whole
    record is bad.
    """

    topic: str  # whole name, floe.NAME.v1
    key: bytes
    value: bytes | None
    reason: str
    field: str | None


@dataclass
class Truth:
    """Whole once the simulation has been read to its end; before that, records are counted as they
    go out.

    Counts by topic go by its middle part (`sessions`). Copies count in `duplicates` or `conflicts`,
    broken records in `broken`, neither in `events`. Patients are counted under the id that they
    were merged into.
    """

    plan: Plan
    events: Counter = field(default_factory=Counter)
    late: Counter = field(default_factory=Counter)
    duplicates: Counter = field(default_factory=Counter)
    conflicts: Counter = field(default_factory=Counter)
    extras: Counter = field(default_factory=Counter)
    unknown_values: Counter = field(default_factory=Counter)
    broken: list[Broken] = field(default_factory=list)
    patients: list[Patient] = field(default_factory=list)
    deficiencies: list[Trouble] = field(default_factory=list)
    incidents: list[Trouble] = field(default_factory=list)
    happened: Counter = field(default_factory=Counter)  # (clinic, term): side effects, told or not
    steps: Counter = field(
        default_factory=Counter
    )  # (patient, device): sum of all step_count samples
    readings: int = 0  # samples of wearables, nulls and restated ones included
    newest_event: int = 0

    def saw(self, time: int):
        self.newest_event = max(self.newest_event, time)

    def count(self, topic: str, kind: int):
        """One record was handed out (broken ones are counted as they are made)."""
        if kind in (ORIGINAL, LATE):
            self.events[topic] += 1
            self.late[topic] += kind == LATE
        elif kind == DUPLICATE:
            self.duplicates[topic] += 1
        elif kind == CONFLICT:
            self.conflicts[topic] += 1

    def add_broken(
        self, topic: str, *, key: bytes, value: bytes | None, reason: str, field: str | None
    ):
        self.broken.append(Broken(f"floe.{topic}.v1", key, value, reason, field))

    @property
    def records(self) -> int:
        """All records handed out: events, their copies, broken ones."""
        copies = self.duplicates.total() + self.conflicts.total()
        return self.events.total() + copies + len(self.broken)

    @property
    def data_cutoff(self) -> datetime:
        """The newest time of an event that can be read."""
        return datetime.fromtimestamp(self.newest_event, UTC)

    def sessions(self) -> list[tuple[Patient, Session]]:
        return [(p, s) for p in self.patients for s in p.sessions if not s.entered_in_error]

    def adverse_events(self) -> list[tuple[Patient, AdverseEvent]]:
        return [(p, e) for p in self.patients for e in p.adverse_events if not e.entered_in_error]

    def names(self, things: list, *, id_of: Callable) -> list[str]:
        """What core calls each of the things (with `clinic_id`): its id, or CLINIC:ID where clinics
        share the id.
        """
        clinics: dict[str, set[str]] = defaultdict(set)
        for thing in things:
            clinics[id_of(thing)].add(thing.clinic_id)
        return [
            f"{t.clinic_id}:{id_of(t)}" if len(clinics[id_of(t)]) > 1 else id_of(t) for t in things
        ]

    def session_ids(self) -> list[str]:
        """What core calls each session, entries in error apart."""
        sessions = [session for _, session in self.sessions()]
        return self.names(sessions, id_of=lambda session: session.session_id)

    def adverse_event_ids(self) -> list[str]:
        """What core calls each adverse event, entries in error apart."""
        events = [event for _, event in self.adverse_events()]
        return self.names(events, id_of=lambda event: event.ae_id)

    def enrolments(self) -> Counter:
        """(study, arm) -> patients; those in no study are in routine care, without an arm."""
        arms = (patient.arm for patient in self.patients)
        study_id = self.plan.study_id
        return Counter((study_id, arm) if arm else ("ROUTINE", None) for arm in arms)

    def session_counts(self) -> Counter:
        """(clinic where it happened, status) -> sessions, after corrections, without entries in
        error.
        """
        return Counter((s.clinic_id, s.status) for _, s in self.sessions())

    def adverse_event_counts(self) -> Counter:
        """(clinic where it happened, term, grade, serious) -> events as they stand after the last
        revision.
        """
        events = (event for _, event in self.adverse_events())
        counted_by = ((e.clinic_id, e.term, e.grade, e.is_serious) for e in events)
        return Counter(counted_by)

    def limit_exceedances(self) -> Counter:
        """Protocol limit -> sessions (delivered or aborted) that exceeded it."""
        return Counter(limit for _, s in self.sessions() if s.is_placed for limit in s.exceeds)

    def last_contact(self, patient: Patient, *, by: int) -> int:
        """The last moment up to `by` at which the patient could have told of harm; never what is
        worn or filed.
        """
        events = [e for e in patient.adverse_events if not e.entered_in_error]
        moments = [
            at
            for e in events
            for at in (e.onset_at, *(() if e.is_fatal else (e.aware_at, e.resolved_at)))
        ]
        begun = [s.started_at for s in patient.sessions if s.is_placed]
        return max(
            at for at in (*patient.contacts, *begun, *moments) if at is not None and at <= by
        )

    def windows_at_risk(
        self,
        patient: Patient,
        *,
        cutoff: int | None = None,
        risk_window_days: int = 30,
        lost_after_days: int = 60,
        clinic_id: str | None = None,
    ) -> list[tuple[int, int]]:
        """The patient's times at risk, disjoint and in order: [(from, to)] in Unix seconds.

        Each episode of sessions that began, from the start of its first to `risk_window_days` days of 24 hours after the start of its
        last, ended by the last moment of the clinic-local day of death or withdrawal, of the last
        contact of who was lost, whether or not that was filed, and by the whole hour before the
        data cut. `clinic_id`: by the sessions at that clinic alone.
        """
        newest = self.newest_event if cutoff is None else cutoff
        end = newest // HOUR_S * HOUR_S
        if patient.stop in ("withdrew", "died") and patient.stopped_on is not None:
            end = min(end, patient.clinic.at(patient.stopped_on + timedelta(days=1)))
        begun = [s for s in patient.sessions if s.is_placed]
        if not begun:
            return []
        seen = self.last_contact(patient, by=newest)
        if seen + lost_after_days * DAY_S <= end:
            end = min(end, patient.clinic.at(patient.clinic.day(seen) + timedelta(days=1)))
        windows: list[tuple[int, int]] = []
        for _, sessions in parted(patient, begun):
            there = [s for s in sessions if clinic_id in (None, s.clinic_id)]
            times = sorted(s.started_at for s in there)
            if not times or times[0] >= end:
                continue
            start, stop = times[0], min(times[-1] + risk_window_days * DAY_S, end)
            if windows and start <= windows[-1][1]:
                windows[-1] = (windows[-1][0], max(stop, windows[-1][1]))
            else:
                windows.append((start, stop))
        return windows

    def days_at_risk(
        self, *, cutoff: int | None = None, risk_window_days: int = 30
    ) -> dict[str, float]:
        """Patient -> days at risk; only patients with a session that was started."""
        days = {}
        for p in self.patients:
            windows = self.windows_at_risk(p, cutoff=cutoff, risk_window_days=risk_window_days)
            if windows:
                days[p.patient_id] = sum(stop - start for start, stop in windows) / DAY_S
        return days

    def events_in_time(self, *, clinic_id: str | None = None) -> tuple[Counter, Counter]:
        """(term -> events in time at risk, term -> outside), records of a term that lasts or has
        just ended once.

        Of patients with time at risk, up to the whole hour before the data cut. One of unknown
        onset counts as in time where the patient has any; where it ended before the first session
        it is neither. `clinic_id`: of the events and the time at that clinic alone.
        """
        inside, outside = Counter(), Counter()
        cut = self.newest_event // HOUR_S * HOUR_S
        for patient in self.patients:
            windows = self.windows_at_risk(patient, clinic_id=clinic_id)
            for event in new_events(patient):
                if clinic_id not in (None, event.clinic_id):
                    continue
                if event.onset_at is None:
                    inside[event.term] += bool(windows) and not ended_before(event, patient)
                elif event.onset_at <= cut:
                    is_in = any(start <= event.onset_at <= stop for start, stop in windows)
                    (inside if is_in else outside)[event.term] += 1
        return +inside, +outside

    @cached_property
    def outcomes(self) -> OutcomeTruth:
        """Long-term outcomes; once all is simulated."""
        return OutcomeTruth(self.patients, plan=self.plan, cut=self.newest_event)

    def summary(self) -> str:
        """The truth in words and numbers, for the end of `floe simulate`."""
        days = self.days_at_risk()
        lines = [
            f"Simulated with seed {self.plan.seed}: {self.records:,} records, {self.events.total():,} events "
            f"({self.late.total():,} late), {self.duplicates.total():,} duplicates, {self.conflicts.total():,} "
            f"conflicts, {len(self.broken):,} broken; {self.readings:,} readings.",
            f"{len(self.patients):,} patients; sessions: {listed(totals(self.session_counts(), 1))}; "
            f"{sum(days.values()) / 365.25:,.1f} patient-years at risk.",
            f"Adverse events: {listed(totals(self.adverse_event_counts(), 1))}.",
            *effects_in_words(self.plan),
        ]
        return "\n".join(lines)

    def as_dict(self) -> dict:
        """Everything as plain values, broken bytes in base64."""
        return {
            "plan": asdict(self.plan),
            "events": dict(self.events),
            "late": dict(self.late),
            "duplicates": dict(self.duplicates),
            "conflicts": dict(self.conflicts),
            "extras": dict(self.extras),
            "unknown_values": dict(self.unknown_values),
            "records": self.records,
            "readings": self.readings,
            "data_cutoff": self.data_cutoff.isoformat() if self.newest_event else None,
            "broken": [
                {
                    "topic": b.topic,
                    "key": b.key.decode(),
                    "reason": b.reason,
                    "field": b.field,
                    "value_base64": None if b.value is None else b64encode(b.value).decode(),
                }
                for b in self.broken
            ],
            "sessions": count_rows(self.session_counts(), "clinic_id", "status"),
            "adverse_events": count_rows(
                self.adverse_event_counts(), "clinic_id", "term", "grade", "is_serious"
            ),
            "side_effects_happened": count_rows(self.happened, "clinic_id", "term"),
            "limit_exceedances": dict(self.limit_exceedances()),
            "days_at_risk": self.days_at_risk(),
            "came_first": count_rows(
                Counter((what,) for _, what in self.outcomes.retreatment().values()), "what"
            ),
            "responders_30_pct": self.outcomes.as_rows(),
            "steps": count_rows(self.steps, "patient_id", "device_id"),
            "implied": self.plan.effects.implied(),
        }

    def to_json(self) -> str:
        return orjson.dumps(self.as_dict(), option=orjson.OPT_INDENT_2).decode()
