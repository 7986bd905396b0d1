"""What the simulator knows of its clinics and patients: the truth before any event is sent.

Here: plain records, with Unix times in whole seconds and days as dates. Not here: events, draws,
counts.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from transforms.facts.sessions import BEGUN

from .effects import Effects


@dataclass(kw_only=True)
class Device:
    device_id: str
    kind: str
    modality: str | None = None
    in_use_from: date | None = None
    retired_on: date | None = None


@dataclass(kw_only=True)
class Limits:
    """One version of a protocol, in force from `effective_from`."""

    effective_from: int
    cabin_min_temp_c: float
    cabin_max_temp_c: float
    max_duration_s: float
    min_hours_between_sessions: float
    max_sessions_per_week: int
    skin_min_temp_c: float
    room_min_oxygen_pct: float


@dataclass(kw_only=True)
class Protocol:
    protocol_id: str
    modality: str
    versions: list[Limits]

    def at(self, when: int) -> Limits:
        return [v for v in self.versions if v.effective_from <= when][-1]


@dataclass(kw_only=True)
class Clinic:
    clinic_id: str
    position: int
    name: str
    region: str
    country: str
    timezone: str
    modalities: tuple[str, ...]
    devices: list[Device] = field(default_factory=list)
    protocols: dict[str, Protocol] = field(default_factory=dict)

    def __post_init__(self):
        self.zone = ZoneInfo(self.timezone)

    def at(self, day: date, hour: float = 0.0) -> int:
        """Unix time of a local wall-clock moment."""
        midnight = datetime(day.year, day.month, day.day)
        return int(
            (midnight + timedelta(seconds=round(hour * 3600))).replace(tzinfo=self.zone).timestamp()
        )

    def day(self, when: int) -> date:
        return datetime.fromtimestamp(when, self.zone).date()

    def cryo(self, modality: str, *, on: date) -> Device:
        """The device of that modality in use on that day."""
        fitting = [d for d in self.devices if d.kind == "cryo" and d.modality == modality]
        return next(d for d in fitting if d.retired_on is None or on < d.retired_on)

    @property
    def room_monitor(self) -> Device:
        return next(d for d in self.devices if d.kind == "room_monitor")


@dataclass(kw_only=True)
class Session:
    """A session as it counts: after corrections. `entered_in_error` ones count nowhere."""

    session_id: str  # as sent
    course_id: str | None
    clinic_id: str
    modality: str
    started_at: int
    day: date  # at the clinic
    status: str = "delivered"
    is_asked: bool | None = None
    entered_in_error: bool = False
    exceeds: tuple[str, ...] = ()
    excess: dict[str, float] = field(
        default_factory=dict
    )  # by limit exceeded: by how much, in its unit
    is_screened_out: bool = False  # its screening names a contraindication
    has_wrong_clock: bool = False  # its start can't be true, so it has none

    @property
    def is_started(self) -> bool:
        return self.status in BEGUN and not self.entered_in_error

    @property
    def is_placed(self) -> bool:
        """It began, and when is known."""
        return self.is_started and not self.has_wrong_clock


@dataclass(kw_only=True)
class AdverseEvent:
    """An adverse event as it counts: after the last revision that was sent."""

    ae_id: str  # as sent
    clinic_id: str
    term: str  # the coded term, else the reported one in lower case
    reported_term: str
    grade: int
    is_serious: bool
    related: str
    onset_at: int | None
    aware_at: int
    resolved_at: int | None
    is_fatal: bool
    is_ongoing: bool
    session_id: str | None
    entered_in_error: bool = False
    worst_grade: int = 0  # of all its revisions
    injury_kind: str | None = None


@dataclass(kw_only=True)
class Consult:
    """What a consult decided; `covers`: the modalities, None = all; `valid_until` None = for
    good.
    """

    occurred_at: int
    recorded_at: int
    outcome: str
    covers: list[str] | None
    valid_until: int | None

    def clears(self, modality: str, *, at: int) -> bool:
        is_valid = self.valid_until is None or at <= self.valid_until
        return (
            self.outcome == "cleared"
            and is_valid
            and (self.covers is None or modality in self.covers)
        )


@dataclass
class Trouble:
    """A device deficiency or an incident as it was sent; `is_grave`: it could have led to harm, or
    it is serious.
    """

    record_id: str
    clinic_id: str
    is_grave: bool


@dataclass(kw_only=True)
class Course:
    course_id: str
    first_day: date
    days: list[date]
    continues: str | None = None


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """A patient in a study, from a day to another (None = for good)."""

    study_id: str
    arm: str
    clinic: Clinic
    from_on: date
    to_on: date | None = None

    def holds(self, day: date) -> bool:
        return self.from_on <= day and (self.to_on is None or day <= self.to_on)


@dataclass(frozen=True, kw_only=True)
class Care:
    """Other care as it was sent; `through`: the last day of an opioid that is not taken for good."""

    kind: str
    day: date  # at the clinic
    is_rescue: bool
    through: date | None = None


@dataclass(frozen=True, kw_only=True)
class Rating:
    """An answer of average pain in the last seven days."""

    at: int
    day: date  # at the clinic
    value: int


@dataclass(kw_only=True)
class Patient:
    """A patient: traits, plan of treatment, and what happened. `alias` is an id used until
    `merged_at`.
    """

    patient_id: str
    position: int
    clinic: Clinic
    sex: str
    birth_year: int
    indication: str
    modality: str
    enrolled_on: date
    trait: float  # pain between visits, points
    baseline: int  # the rating that enrolled the patient
    improvement: float  # true effect of treatment at its height, points
    arm: str | None = None
    allocated_on: date | None = None
    alias: str | None = None
    merged_at: int | None = None
    next_clinic: Clinic | None = None
    transferred_on: date | None = None
    stop: str | None = None  # withdrew, lost, died, pregnant
    stopped_on: date | None = None
    courses: list[Course] = field(default_factory=list)
    consults: list[Consult] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    adverse_events: list[AdverseEvent] = field(default_factory=list)
    contacts: list[int] = field(
        default_factory=list
    )  # moments at which harm could have been told, but by events
    care: list[Care] = field(default_factory=list)
    ratings: list[Rating] = field(default_factory=list)
    enrolments: list[Enrolment] = field(default_factory=list)
    mme: float = 0.0

    @property
    def delivered(self) -> list[Session]:
        """Sessions by which treatment is counted, in order."""
        placed = [s for s in self.sessions if s.status == "delivered" and s.is_placed]
        return sorted(placed, key=lambda session: session.started_at)

    @property
    def is_treated(self) -> bool:
        return self.arm != "usual_care"

    @property
    def first_session(self) -> Session | None:
        return next((s for s in self.sessions if s.status == "delivered" and s.is_placed), None)

    @property
    def day_one(self) -> date:
        """Allocation in a comparison of arms, else the first delivered session's day, else
        enrolment.
        """
        first = self.first_session
        return self.allocated_on or (
            self.clinic.day(first.started_at) if first else self.enrolled_on
        )

    def effect_on(self, day: date, *, effects: Effects) -> float:
        """How much of the full treatment effect is there on that day (0 to 1), from the first
        session on.
        """
        first = self.first_session
        return (
            0.0
            if first is None
            else float(effects.course((day - self.clinic.day(first.started_at)).days))
        )

    def id_at(self, when: int) -> str:
        if self.alias and when < self.merged_at:
            return self.alias
        return self.patient_id

    def clinic_on(self, day: date) -> Clinic:
        moved = self.transferred_on is not None and day >= self.transferred_on
        if moved:
            return self.next_clinic
        return self.clinic

    def is_followed_on(self, day: date) -> bool:
        """Still taking part: not withdrawn, lost or dead by that day (a pregnancy ends treatment
        only).
        """
        return self.stopped_on is None or self.stop == "pregnant" or day < self.stopped_on
