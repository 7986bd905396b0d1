"""A week of simulated clinics as it would land: how many alerts a clinic gets a day, and whether
each cause was told once.

Here: the simulator's own ledger of what it planted (ingest/simulate/planted.py) held against what
the watcher told, with copies, late and broken records, a slice that lands twice and a restart in
between; the watcher's memory and speed. Not here: how fast a single alert is (bench_alerts).

The month before the week lands first, a day at a time, and then each six hours of the week; what
comes late lands at the end. Alerts are counted by the tier with which they were told.
"""

import json
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from ingest.alerting.book import Book
from ingest.alerting.book_file import book_path
from ingest.alerting.duty import TOPIC, Duty
from ingest.alerting.watcher import Watcher
from ingest.contract import TOPIC_BY_TYPE
from ingest.lake import Lake
from ingest.landing import land, prepare
from ingest.settings import Settings
from ingest.simulate import Plan, simulate
from ingest.simulate.outbox import Arrival
from ingest.simulate.planted import Planted, planted
from tests.computed import batch_of
from transforms.statistics.rates import poisson_rate

from .results import record, scale

_CLINICS, _PATIENTS_EACH, _DAYS, _WEEK = 30, 20, 35, 7
_TIERS = ("now", "today", "noted")
_TOLD = ("opened", "raised", "opened_again")


def run() -> None:
    clinics = max(3, round(_CLINICS * min(1.0, scale())))
    plan = Plan(
        clinics=clinics, patients=clinics * _PATIENTS_EACH, days=_DAYS, seed=12, with_readings=False
    )
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        settings = Settings(home=Path(folder), catalog="", data="", kafka_bootstrap="")
        with Lake.open(settings) as lake:
            simulation = simulate(plan)
            looks, seconds, again = _land_and_look(
                settings, lake, list(simulation.with_arrivals()), plan=plan
            )
        events = _events(settings)
        with Book(book_path(settings)) as book:
            alerts = {(a["rule"], _as_sent(a), a["clinic_id"]): a["state"] for a in book.alerts()}
    twice = told_twice(events) + again
    _report(
        plan,
        twice=twice,
        of_week=_of_week(events, plan),
        alerts=alerts,
        causes=planted(simulation.truth),
    )
    what = f"{plan.patients} patients, {_DAYS} days"
    record("alerts_looks_per_s", looks / seconds, "looks/s", what)
    record(
        "alerts_watcher_rss_mib",
        psutil.Process().memory_info().rss / 2**20,
        "MiB",
        f"with the simulator; {what}",
    )


def _land_and_look(
    settings: Settings, lake: Lake, arrivals: list[Arrival], *, plan: Plan
) -> tuple[int, float, list[str]]:
    """Looks taken, seconds that they took, and what was told of records that had all landed
    before.
    """
    watcher = Watcher(settings, Duty(), lake)
    first: Counter = Counter()
    looks, seconds, again = 0, 0.0, []
    for number, (moment, part) in enumerate(_slices(arrivals, plan)):
        _land(lake, part, first, now=moment)
        begun = time.perf_counter()
        while watcher.step(now=moment):
            looks += 1
        seconds += time.perf_counter() - begun
        if number == _DAYS:  # as if it had been sent again
            _land(lake, part, first, now=moment)
            again += _news_of(watcher, settings, now=moment)
        if number == _DAYS + 4:
            watcher.__exit__()
            watcher = Watcher(settings, Duty(), lake)
            again += _news_of(watcher, settings, now=moment)
    watcher.__exit__()
    return looks, seconds, again


def _news_of(watcher: Watcher, settings: Settings, *, now: datetime) -> list[str]:
    """What the watcher makes known when nothing has landed that it had not seen."""
    before = len(_events(settings))
    while watcher.step(now=now):
        pass
    return [f"{e['news']} with nothing new: {e['alert_id']}" for e in _events(settings)[before:]]


def _slices(arrivals: list[Arrival], plan: Plan) -> Iterator[tuple[datetime, list[Arrival]]]:
    """(when it lands, what): days, then six hours at a time, and all that comes after the end at
    once.
    """
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


def _events(settings: Settings) -> list[dict]:
    """All that is to be written to the alerts' topic, in order. Not by `Book.due`, which gives the
    first of each alert.
    """
    with closing(sqlite3.connect(book_path(settings))) as book:
        rows = book.execute(
            "SELECT payload FROM deliveries WHERE sink = ? ORDER BY number", [TOPIC]
        ).fetchall()
    return [json.loads(payload) for (payload,) in rows]


def _of_week(events: list[dict], plan: Plan) -> Counter:
    """How often (tier, rule) was told in the week."""
    ends = datetime.fromtimestamp(plan.ends_at, UTC)
    begins = ends - timedelta(days=_WEEK)
    told = [
        e
        for e in events
        if e["news"] in _TOLD and begins < datetime.fromisoformat(e["told_at"]) <= ends
    ]
    return Counter((e["tier"], e["rule"]) for e in told)


def told_twice(events: list[dict]) -> list[str]:
    """A sentence for each time that a cause was told without being new: opened a second time, under
    whatever name; opened again though it had not been closed; raised though it was no graver than
    it stood.
    """
    gravity: dict[tuple, int] = {}
    is_closed: dict[tuple, bool] = {}
    wrong = []
    for event in events:
        cause = (event["rule"], _as_sent(event), event["clinic_id"], event["cause"])
        news = event["news"]
        is_wrong = {
            "opened": cause in gravity,
            "opened_again": not is_closed.get(cause, False),
            "raised": event["gravity"] <= gravity.get(cause, 10**9),
        }
        if is_wrong.get(news, False):
            wrong.append(f"{news} for no reason: {cause}")
        is_closed[cause] = news == "closed"
        gravity[cause] = event["gravity"]
    return wrong


def _as_sent(alert: dict) -> str:
    """The id that the record has in its clinic's books: without the clinic or source by which core
    names one of two.
    """
    sent = alert["subject_id"].removeprefix(f"{alert['clinic_id']}:")
    return sent.split("#")[1] if "#" in sent else sent


def _report(
    plan: Plan,
    *,
    twice: list[str],
    of_week: Counter,
    alerts: dict[tuple, str],
    causes: set[Planted],
) -> None:
    names = {cause.rule for cause in causes}
    must = {(c.rule, c.record_id, c.clinic_id) for c in causes if c.stands}
    may = {(c.rule, c.record_id, c.clinic_id) for c in causes}
    of_rules = {a for a in alerts if a[0] in names}
    without = of_rules - may
    still_open = {a for a in without if alerts[a] != "closed"}
    days = plan.clinics * _WEEK
    what = f"{plan.clinics} clinics, {plan.patients} patients, seed {plan.seed}"
    for tier in _TIERS:
        total = sum(n for (of_tier, _), n in of_week.items() if of_tier == tier)
        record(
            f"alerts_{tier}_per_clinic_day",
            total / days,
            "1/day",
            f"of the last {_WEEK} days; {what}",
        )
        for rule in sorted(r for of_tier, r in of_week if of_tier == tier):
            print(f"  {rule:<30} {of_week[tier, rule] / days:8.3f}")
    record("alerts_causes_planted", len(must), "causes", what)
    record("alerts_causes_missed", len(must - of_rules), "causes", what)
    record("alerts_closed_once_late_records_came", len(without), "alerts", what)
    record("alerts_open_without_cause", len(still_open), "alerts", what)
    record("alerts_told_twice", len(twice), "alerts", what)
    now = sum(n for (tier, _), n in of_week.items() if tier == "now")
    rate = poisson_rate(now, days, per=1)
    print(
        f"  now: {now} in {days} clinic-days, {rate.estimate:.2f} a clinic and day (exact 95 % CI {rate.lower:.2f} to {rate.upper:.2f})"
    )
    for sentence in twice:
        print(f"  {sentence}")
    for title, some in (("missed", must - of_rules), ("without a cause planted", without)):
        counts = Counter(rule for rule, *_ in some)
        for rule, n in sorted(counts.items()):
            print(f"  {title}: {rule} {n}, such as {min(a for a in some if a[0] == rule)}")
    if must - of_rules or still_open or twice:
        raise SystemExit(
            "a cause was missed, told twice or is told without being there: see the figures above"
        )
