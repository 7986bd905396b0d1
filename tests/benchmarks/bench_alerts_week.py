"""A week of simulated clinics as it would land: how many alerts a clinic gets a day, and whether each cause was told once.

Here: the simulator's own ledger of what it planted (ingest/simulate/planted.py) held against what the watcher told, with
copies, late and broken records, a slice that lands twice and a restart in between; the watcher's memory and speed.
Not here: how fast a single alert is (bench_alerts).

The month before the week lands first, a day at a time, and then each six hours of the week; what comes late lands at the
end. Alerts are counted by the tier with which they were told.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from ingest.alerting.book import Book, book_path
from ingest.alerting.duty import Duty
from ingest.alerting.sender import TOPIC
from ingest.alerting.watcher import Watcher
from ingest.contract import TOPIC_BY_TYPE
from ingest.lake import Lake
from ingest.landing import land, prepare
from ingest.settings import Settings
from ingest.simulate import Plan, simulate
from ingest.simulate.outbox import Arrival
from ingest.simulate.planted import Planted, planted
from tests.computed import batch_of

from .results import record, scale

_CLINICS, _PATIENTS_EACH, _DAYS, _WEEK = 30, 20, 35, 7
_TIERS = ("now", "today", "noted")
_TOLD = ("opened", "raised", "opened_again")


def run() -> None:
    clinics = max(3, round(_CLINICS * min(1.0, scale())))
    plan = Plan(clinics=clinics, patients=clinics * _PATIENTS_EACH, days=_DAYS, seed=12, with_readings=False)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        settings = Settings(home=Path(folder), catalog="", data="", kafka_bootstrap="")
        with Lake.open(settings) as lake:
            simulation = simulate(plan)
            looks, seconds = _land_and_look(settings, lake, list(simulation.with_arrivals()), plan=plan)
        with Book(book_path(settings)) as book:
            told, of_week = _told(book, plan)
            alerts = {(a["rule"], _as_sent(a), a["clinic_id"]): a["state"] for a in book.alerts()}
    _report(plan, told=told, of_week=of_week, alerts=alerts, causes=planted(simulation.truth))
    what = f"{plan.patients} patients, {_DAYS} days"
    record("alerts_looks_per_s", looks / seconds, "looks/s", what)
    record("alerts_watcher_rss_mib", psutil.Process().memory_info().rss / 2**20, "MiB", f"with the simulator; {what}")


def _land_and_look(settings: Settings, lake: Lake, arrivals: list[Arrival], *, plan: Plan) -> tuple[int, float]:
    """Looks taken, and seconds that they took."""
    watcher = Watcher(settings, Duty(), lake)
    first: Counter = Counter()
    looks, seconds = 0, 0.0
    for number, (moment, part) in enumerate(_slices(arrivals, plan)):
        for _ in range(2 if number == _DAYS else 1):  # one slice lands twice, as if it had been sent again
            _land(lake, part, first, now=moment)
        if number == _DAYS + 4:
            watcher.__exit__()
            watcher = Watcher(settings, Duty(), lake)
        begun = time.perf_counter()
        while watcher.step(now=moment):
            looks += 1
        seconds += time.perf_counter() - begun
    watcher.__exit__()
    return looks, seconds


def _slices(arrivals: list[Arrival], plan: Plan) -> Iterator[tuple[datetime, list[Arrival]]]:
    """(when it lands, what): days, then six hours at a time, and all that comes after the end at once."""
    week = plan.ends_at - 86_400 * _WEEK

    def ends(arrival: Arrival) -> int:
        if arrival.at >= plan.ends_at:
            return plan.ends_at + 60 * 86_400
        step = 86_400 if arrival.at < week else 21_600
        return plan.starts_at + (int(arrival.at - plan.starts_at) // step + 1) * step

    for end, part in groupby(arrivals, key=ends):
        yield datetime.fromtimestamp(end, UTC), list(part)


def _land(lake: Lake, part: list[Arrival], first: Counter, *, now: datetime) -> None:
    by_topic = defaultdict(list)
    for arrival in part:
        if arrival.topic in TOPIC_BY_TYPE:
            by_topic[arrival.topic].append((arrival.key, arrival.value))
    batches = [batch_of(topic, pairs, first=first[topic]) for topic, pairs in by_topic.items()]
    first.update({topic: len(pairs) for topic, pairs in by_topic.items()})
    land(lake, prepare(batches, now=now))


def _told(book: Book, plan: Plan) -> tuple[Counter, Counter]:
    """(rule, record, clinic, news, level) of all that was told, and (tier, rule) of what was told in the week."""
    ends = datetime.fromtimestamp(plan.ends_at, UTC)
    told, of_week = Counter(), Counter()
    for delivery in book.due(TOPIC, now=ends + timedelta(days=100), most=10**9):
        event = delivery["payload"]
        if event["news"] not in _TOLD:
            continue
        told[event["rule"], _as_sent(event), event["clinic_id"], event["revision"]] += 1
        if ends - timedelta(days=_WEEK) < datetime.fromisoformat(event["told_at"]) <= ends:
            of_week[event["tier"], event["rule"]] += 1
    return told, of_week


def _as_sent(alert: dict) -> str:
    return alert["subject_id"].removeprefix(f"{alert['clinic_id']}:")


def _report(plan: Plan, *, told: Counter, of_week: Counter, alerts: dict[tuple, str], causes: set[Planted]) -> None:
    names = {cause.rule for cause in causes}
    must = {(c.rule, c.record_id, c.clinic_id) for c in causes if c.stands}
    may = {(c.rule, c.record_id, c.clinic_id) for c in causes}
    of_rules = {a for a in alerts if a[0] in names}
    without = of_rules - may
    still_open = {a for a in without if alerts[a] != "closed"}
    twice = sum(n - 1 for n in told.values())
    days = plan.clinics * _WEEK
    what = f"{plan.clinics} clinics, {plan.patients} patients, seed {plan.seed}"
    for tier in _TIERS:
        total = sum(n for (of_tier, _), n in of_week.items() if of_tier == tier)
        record(f"alerts_{tier}_per_clinic_day", total / days, "1/day", f"of the last {_WEEK} days; {what}")
        for rule in sorted(r for of_tier, r in of_week if of_tier == tier):
            print(f"  {rule:<30} {of_week[tier, rule] / days:8.3f}")
    record("alerts_causes_planted", len(must), "causes", what)
    record("alerts_causes_missed", len(must - of_rules), "causes", what)
    record("alerts_closed_once_late_records_came", len(without), "alerts", what)
    record("alerts_open_without_cause", len(still_open), "alerts", what)
    record("alerts_told_twice", twice, "alerts", what)
    for title, some in (("missed", must - of_rules), ("without a cause planted", without)):
        counts = Counter(rule for rule, *_ in some)
        for rule, n in sorted(counts.items()):
            print(f"  {title}: {rule} {n}, such as {min(a for a in some if a[0] == rule)}")
    if must - of_rules or still_open or twice:
        raise SystemExit("a cause was missed, told twice or is told without being there: see the figures above")
