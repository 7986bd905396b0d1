"""Whose outcome, of which treatment: episodes, and a patient's place in each study, as simulated.

Here: plain days and sessions of one patient, by the contract's rules, without the code that computes
core and marts. Not here: who responded (response_truth.py), what was drawn (returns.py).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from transforms.facts.values import NONE, ROUTINE

from .state import Clinic, Enrolment, Patient, Session

DAY = timedelta(days=1)
DAY_S = 86_400
BASELINE = timedelta(days=28)
LAST_WINDOW = timedelta(days=912)  # from Day 1 to the last day of Month 24
GAP_DAYS = 90
BREAK_DAYS = 30  # between sessions of no course: a new one


@dataclass(frozen=True, kw_only=True)
class Episode:
    """A treatment episode of a patient; `windows_to` and `ended_by` None = none followed."""

    number: int
    sessions: tuple[Session, ...]
    baseline_from: date
    windows_to: date | None
    ended_by: str | None
    is_baseline_in_follow_up: bool | None

    @property
    def first_day(self) -> date:
        return self.sessions[0].day


@dataclass(frozen=True, kw_only=True, eq=False)
class Unit:
    """A patient's episode in a study, of which outcomes are; without a session `number` is None."""

    patient: Patient
    study_id: str
    arm: str
    clinic: Clinic
    number: int | None
    day1: date
    sessions: tuple[Session, ...]
    baseline_from: date | None
    windows_to: date | None

    @property
    def started_at(self) -> int | None:
        return self.sessions[0].started_at if self.sessions else None

    @property
    def course_ended_on(self) -> date | None:
        """The last session's day of the first course; where it has no name, before a break."""
        if not self.sessions:
            return None
        first, last = self.sessions[0], self.sessions[0].day
        for session in self.sessions:
            if first.course_id is None and (session.day - last).days > BREAK_DAYS:
                break
            if first.course_id in (None, session.course_id):
                last = session.day
        return last

    def ends_before(self, day: date) -> bool:
        return self.windows_to is not None and day > self.windows_to


# --- episodes of a patient ----------------------------------------------------------------------


def parted(
    patient: Patient, sessions: Iterable[Session], *, gap_days: int = GAP_DAYS
) -> list[tuple[str | None, list[Session]]]:
    """The sessions by episode, with what began each: a course that is new to the patient and
    continues none, or more than `gap_days` days of 24 hours without a session; None = the first.
    """
    continuing = {course.course_id for course in patient.courses if course.continues}
    seen, parts, last = set(), [], None
    for session in sorted(sessions, key=lambda session: session.started_at):
        is_new = session.course_id not in {None, *seen, *continuing}
        is_late = last is not None and session.started_at - last > gap_days * DAY_S
        if not parts:
            parts.append((None, []))
        elif is_new or is_late:
            parts.append(("new_course" if is_new else "gap", []))
        parts[-1][1].append(session)
        seen.add(session.course_id)
        last = session.started_at
    return parts


def episodes_of(patient: Patient, *, gap_days: int = GAP_DAYS) -> list[Episode]:
    """The patient's treatment episodes, by delivered sessions of known start."""
    parts = parted(patient, patient.delivered, gap_days=gap_days)
    days = [sessions[0].day for _, sessions in parts]
    begins = [_begins(day, after=days[k - 1] if k else None) for k, day in enumerate(days)]
    return [
        Episode(
            number=k + 1,
            sessions=tuple(sessions),
            baseline_from=begins[k],
            windows_to=begins[k + 1] - DAY if k + 1 < len(parts) else None,
            ended_by=parts[k + 1][0] if k + 1 < len(parts) else None,
            is_baseline_in_follow_up=begins[k] <= days[k - 1] + LAST_WINDOW if k else None,
        )
        for k, (_, sessions) in enumerate(parts)
    ]


def _begins(day1: date, *, after: date | None) -> date:
    """Of a baseline: 28 days before Day 1, no day up to the Day 1 of the episode before but its own."""
    if after is None:
        return day1 - BASELINE
    return min(max(day1 - BASELINE, after + DAY), day1)


# --- a patient in studies -----------------------------------------------------------------------


def studies_of(patient: Patient) -> list[str]:
    """Routine care first: of who is in no study, or had a session begun outside all of them."""
    begun = [s for s in patient.sessions if s.is_placed]
    inside = [any(e.holds(s.day) for e in patient.enrolments) for s in begun]
    studies = [e.study_id for e in patient.enrolments]
    return [ROUTINE, *studies] if not studies or not all(inside) else studies


def study_on(patient: Patient, day: date) -> str:
    """The study whose record a day's is: the one that began last of those in force; else routine
    care, else the next one that begins, else the last.
    """
    enrolments = sorted(patient.enrolments, key=lambda e: e.from_on)
    in_force = [e for e in enrolments if e.holds(day)]
    if in_force:
        return in_force[-1].study_id
    if ROUTINE in studies_of(patient):
        return ROUTINE
    return next((e for e in enrolments if e.from_on > day), enrolments[-1]).study_id


def told_on(patient: Patient, day: date) -> set[str]:
    """All studies of which an answer of the day tells: also those in force beside, and those for
    which it may be the baseline.
    """
    beside = {
        e.study_id
        for e in patient.enrolments
        if e.from_on - BASELINE <= day and (e.to_on is None or day <= e.to_on)
    }
    return {study_on(patient, day), *beside}


def units_of(patient: Patient) -> list[Unit]:
    """A unit a study and episode with a delivered session there, one a study without."""
    units = []
    for study_id in studies_of(patient):
        own = next((e for e in patient.enrolments if e.study_id == study_id), None)
        treated = _treated(patient, study_id, own)
        units += treated or [_untreated(patient, study_id, own)]
    return units


def _treated(patient: Patient, study_id: str, own: Enrolment | None) -> list[Unit]:
    units: list[Unit] = []
    for episode in episodes_of(patient):
        there = tuple(s for s in episode.sessions if study_on(patient, s.day) == study_id)
        if not there:
            continue
        day1 = there[0].day
        units.append(
            _unit(
                patient,
                study_id,
                own,
                number=episode.number,
                day1=day1,
                sessions=there,
                baseline_from=_begins(day1, after=units[-1].day1 if units else None),
                windows_to=episode.windows_to,
            )
        )
    return units


def _untreated(patient: Patient, study_id: str, own: Enrolment | None) -> Unit:
    day1 = own.from_on if own else patient.enrolled_on
    nothing = {"number": None, "sessions": (), "baseline_from": None, "windows_to": None}
    return _unit(patient, study_id, own, day1=day1, **nothing)


def _unit(
    patient: Patient,
    study_id: str,
    own: Enrolment | None,
    *,
    day1: date,
    windows_to: date | None,
    **rest,
) -> Unit:
    """A further study ends the windows, the day before it begins."""
    later = [e.from_on for e in patient.enrolments if e is not own and e.from_on > day1]
    ends = [day - DAY for day in later] + ([windows_to] if windows_to else [])
    return Unit(
        patient=patient,
        study_id=study_id,
        arm=own.arm if own else NONE,
        clinic=own.clinic if own else patient.clinic,
        day1=day1,
        windows_to=min(ends, default=None),
        **rest,
    )


# --- which unit stands for whom -----------------------------------------------------------------


def chosen(units: Iterable[Unit], *, episode: str) -> list[Unit]:
    """Of each patient in each study the `first` or `latest` episode, or all of them."""
    by_subject = defaultdict(list)
    for unit in units:
        by_subject[unit.study_id, unit.patient.patient_id].append(unit)
    if episode == "all":
        return [unit for of_subject in by_subject.values() for unit in of_subject]
    k = 0 if episode == "first" else -1
    return [of_subject[k] for of_subject in by_subject.values()]


def standing(units: Iterable[Unit], *, episode: str) -> list[Unit]:
    """Each patient once, as where he or she was treated first (of `latest`: last); of all episodes
    each once.
    """
    by_person = defaultdict(list)
    for unit in units:
        by_person[unit.patient.patient_id].append(unit)
    return [one for of_person in by_person.values() for one in _standing(of_person, episode)]


def _standing(units: list[Unit], episode: str) -> list[Unit]:
    treated = [u for u in units if u.number is not None]
    sign = -1 if episode == "latest" else 1
    ordered = sorted(
        treated or units,
        key=lambda u: (
            sign * (u.started_at or 0),
            sign * u.day1.toordinal(),
            u.study_id != ROUTINE,
            u.study_id,
        ),
    )
    if episode != "all":
        return ordered[:1]
    return list({u.number: u for u in reversed(ordered)}.values())
