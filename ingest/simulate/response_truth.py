"""Who responded, under each strategy for what happens in between, as simulated: of ratings of pain.

Here: one unit's ratings at visits, its judgements, counts over units, pairs of courses. Not here:
which units there are (episode_truth.py), any code by which marts count.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import cached_property

from transforms.facts.estimands import COMPOSITE, TREATMENT_POLICY
from transforms.facts.visits import BASELINE, END_OF_COURSE, END_OF_COURSE_DAYS, VISITS

from .episode_truth import BREAK_DAYS, Unit, episodes_of, told_on
from .plan import Plan, Returns
from .state import Rating

PROCEDURES = ("injection", "surgery")
_USUAL = {v.name: (v.first, v.target, v.last) for v in VISITS}


@dataclass(frozen=True, eq=False)
class Seen:
    """A unit with its ratings, at a data cut (Unix time)."""

    unit: Unit
    ratings: tuple[Rating, ...]
    windows: dict[str, tuple[int, int, int]]
    cut: int

    # --- days ------------------------------------------------------------------------------------

    def date_of(self, study_day: int) -> date:
        return self.unit.day1 + timedelta(days=study_day - 1 if study_day > 0 else study_day)

    def window(self, visit: str) -> tuple[date, date, date] | None:
        """First day, target and last day; None for who has no such visit."""
        if visit == END_OF_COURSE:
            ended = self.unit.course_ended_on
            if ended is None:
                return None
            days = (0, 1, max(END_OF_COURSE_DAYS, BREAK_DAYS))
            return tuple(ended + timedelta(days=d) for d in days)
        if visit not in self.windows:
            return None
        return tuple(self.date_of(day) for day in self.windows[visit])

    def is_ended(self, visit: str) -> bool:
        """A further episode's baseline, or another study, began before the visit's window."""
        window = self.window(visit)
        return window is not None and self.unit.ends_before(window[0])

    def is_due(self, visit: str) -> bool:
        """The window closed before the day of the data cut, where the patient was enrolled."""
        window = self.window(visit)
        if window is None or self.is_ended(visit):
            return False
        closed = min(d for d in (window[2], self.unit.windows_to) if d is not None)
        return closed < self.unit.clinic.day(self.cut)

    # --- ratings ---------------------------------------------------------------------------------

    def visit_of(self, rating: Rating) -> str | None:
        if self.unit.ends_before(rating.day):
            return None
        started = self.unit.started_at
        for name, (first, _, last) in self.windows.items():
            inside = self.date_of(first) <= rating.day <= self.date_of(last)
            is_late = name == BASELINE and started is not None and rating.at >= started
            if inside and not is_late:
                return name
        return None

    @cached_property
    def base(self) -> Rating | None:
        """The last rating of the baseline period, before the first session."""
        return max(
            (r for r in self.ratings if self.visit_of(r) == BASELINE),
            key=lambda r: r.at,
            default=None,
        )

    def at_visit(self, visit: str) -> Rating | None:
        """The rating nearest to the target, of two the earlier."""
        if visit == END_OF_COURSE:
            return self._at_end_of_course()
        there = [r for r in self.ratings if self.visit_of(r) == visit]
        window = self.window(visit)
        return min(there, key=lambda r: (abs((r.day - window[1]).days), r.at), default=None)

    def _at_end_of_course(self) -> Rating | None:
        if (ended := self.unit.course_ended_on) is None:
            return None
        there = [
            r
            for r in self.ratings
            if 0 <= (r.day - ended).days <= END_OF_COURSE_DAYS
            and r.at >= self.unit.started_at
            and not self.unit.ends_before(r.day)
        ]
        return min(there, key=lambda r: (abs((r.day - ended).days - 1), r.at), default=None)

    def change(self, rating: Rating | None) -> int | None:
        base = self.base
        if rating is None or base is None or rating.at <= base.at:
            return None
        return None if self.visit_of(rating) == BASELINE else rating.value - base.value

    def responds(self, rating: Rating | None, *, percent: int) -> bool | None:
        """At least so many percent below baseline; None: not judged, or from a baseline of 0."""
        change = self.change(rating)
        if change is None or self.base.value == 0:
            return None
        return -100 * change >= percent * self.base.value

    # --- what happens in between -----------------------------------------------------------------

    @cached_property
    def decided_on(self) -> date | None:
        """The first day on which an opioid was begun, an injection, surgery or rescue happened."""
        care, day1 = self.unit.patient.care, self.unit.day1
        taken = any(
            c.kind == "opioid"
            and c.day < day1
            and (c.through is None or c.through >= day1 - timedelta(days=28))
            for c in care
        )
        deciding = [
            c.day
            for c in care
            if c.kind in PROCEDURES or c.is_rescue or (c.kind == "opioid" and not taken)
        ]
        return min(
            (d for d in deciding if d >= day1 and not self.unit.ends_before(d)), default=None
        )

    def verdict(self, visit: str, strategy: str, *, percent: int) -> tuple[bool | None, bool]:
        """(whether the patient responded, None = no value; whether an event decided it)."""
        rating = self.at_visit(visit)
        judged = self.responds(rating, percent=percent)
        day, event = self.window(visit)[1] if judged is None else rating.day, self.decided_on
        if strategy == TREATMENT_POLICY or event is None or event > day:
            return judged, False
        if strategy == COMPOSITE:
            return False, True
        before = [r for r in self.ratings if r.day < event]
        verdicts = [self.responds(r, percent=percent) for r in sorted(before, key=lambda r: r.at)]
        return next((v for v in reversed(verdicts) if v is not None), None), True


def with_ratings(units: Iterable[Unit], *, plan: Plan, cut: int) -> list[Seen]:
    """The units of one patient, each with the ratings that are its own: of its study those from its
    baseline on, until the next one's.
    """
    units = list(units)
    found = []
    for study_id in dict.fromkeys(u.study_id for u in units):
        own = [u for u in units if u.study_id == study_id]
        ratings = {id(u): [] for u in own}
        for rating in own[0].patient.ratings:
            if study_id in told_on(own[0].patient, rating.day):
                begun = [u for u in own if u.baseline_from and u.baseline_from <= rating.day]
                ratings[id((begun or own[:1])[-1])].append(rating)
        visits = _windows(study_id, plan=plan)
        found += [Seen(u, tuple(ratings[id(u)]), visits, cut) for u in own]
    return found


def _windows(study_id: str, *, plan: Plan) -> dict[str, tuple[int, int, int]]:
    """The study's own visits, else those of routine care; the baseline is the same."""
    if study_id != plan.other_study_id:
        return _USUAL
    planned = {v.visit: (v.from_day, v.target_day, v.to_day) for v in Returns.VISITS}
    return {BASELINE: _USUAL[BASELINE]} | planned


# --- counts -------------------------------------------------------------------------------------


def responders(people: Iterable[Seen], visit: str, strategy: str, *, percent: int) -> Counter:
    """Of units: due, ended, with a baseline from which the rule can be met or not, with a verdict,
    responding, decided by an event.
    """
    people = [p for p in people if visit in p.windows]
    counts = Counter(
        n_patients=len({p.unit.patient.patient_id for p in people}),
        n_episodes=len(people),
        n_due=sum(p.is_due(visit) for p in people),
        n_ended=sum(p.is_ended(visit) for p in people),
    )
    based = [p for p in people if p.is_due(visit) and p.base is not None]
    able = [p for p in based if p.base.value > 0]
    verdicts = [p.verdict(visit, strategy, percent=percent) for p in able]
    return counts + Counter(
        n_cannot_respond=len(based) - len(able),
        n_evaluable=sum(v is not None for v, _ in verdicts),
        n_missing=sum(v is None for v, _ in verdicts),
        n_event=sum(v is True for v, _ in verdicts),
        n_events_between=sum(is_decided for _, is_decided in verdicts),
    )


def relief(people: Iterable[Seen], visit: str) -> dict[str, int | Fraction | None]:
    """The second course's change of pain beside the first's, of patients with both in one study,
    each once: counts, and means of those with both.
    """
    pairs = _pairs(people)
    due = [(a, b) for a, b in pairs if a.is_due(visit) and b.is_due(visit)]
    changes = [
        (a.base.value, b.base.value, a.change(a.at_visit(visit)), b.change(b.at_visit(visit)), b)
        for a, b in due
        if a.base is not None and b.base is not None
    ]
    both = [c for c in changes if c[2] is not None and c[3] is not None]
    ended = [
        (a, b) for a, b in pairs if (a, b) not in due and (a.is_ended(visit) or b.is_ended(visit))
    ]
    means = [Fraction(sum(c[k] for c in both), len(both)) if both else None for k in range(4)]
    names = ("baseline_first", "baseline_second", "change_first", "change_second")
    return {
        "n_patients": len(pairs),
        "n_due": len(due),
        "n_ended": len(ended),
        "n_pairs": len(both),
        "n_baseline_in_follow_up": sum(_lies_in_follow_up(c[4].unit) for c in both),
        **dict(zip(names, means, strict=True)),
    }


def _pairs(people: Iterable[Seen]) -> list[tuple[Seen, Seen]]:
    """Of each patient the earliest pair; the first has a rating at all."""
    pairs = {}
    by_place = {(p.unit.patient.patient_id, p.unit.study_id, p.unit.number): p for p in people}
    firsts = {}
    for (who, study_id, number), one in by_place.items():
        if number is not None:
            place = (who, study_id)
            firsts[place] = min(firsts.get(place, one), one, key=lambda p: p.unit.number)
    for (who, study_id), first in sorted(firsts.items(), key=lambda f: (f[1].unit.number, f[0][1])):
        second = by_place.get((who, study_id, first.unit.number + 1))
        if second is not None and first.ratings:
            pairs.setdefault(who, (first, second))
    return list(pairs.values())


def _lies_in_follow_up(unit: Unit) -> bool:
    return bool(episodes_of(unit.patient)[unit.number - 1].is_baseline_in_follow_up)
