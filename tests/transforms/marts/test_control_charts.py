"""mart.control_charts: months, gaps and sums by hand, and a plain re-computation of random
clinics.
"""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from transforms.checks import check_table
from transforms.errors import UsageError
from transforms.facts.catalogue import METRICS
from transforms.marts import MARTS, control_charts
from transforms.options import Cut, Options, Rebase
from transforms.schemas import MART_TABLES
from transforms.statistics import spc

START = datetime(2025, 1, 1, 10, tzinfo=UTC)
CUT = Cut(lake_snapshot=3, data_cutoff=datetime(2026, 12, 31, tzinfo=UTC))
SIGNALS = ["is_outside", "is_trend", "is_two_of_three", "is_shift", "point_type", "variation_icon"]
MONTH_3 = date(2026, 2, 1)  # the fourteenth month


def table(name: str, rows: list[dict]) -> pl.DataFrame:
    schema = MART_TABLES[name]
    return pl.DataFrame(
        [{**dict.fromkeys(schema.names), **r} for r in rows], schema=schema.polars_schema
    )


def session(k: int, *, clinic="A", day=0.0, **columns) -> dict:
    when = START + timedelta(days=day)
    return {
        "STUDYID": "s",
        "USUBJID": f"p{k}",
        "CLINICID": clinic,
        "EXSEQ": k,
        "SESSIONID": f"s{k}",
        "MODALITY": "local",
        "EXSTAT": "delivered",
        "EXSTDTM": when,
        "ASTDT": when.date(),
        "ASKEDFL": "Y",
        **columns,
    }


def event(k: int, *, clinic="A", day=0.0, patient=0, **columns) -> dict:
    """An event of the session of `session(patient)`."""
    when = None if day is None else START + timedelta(days=day)
    return {
        "STUDYID": "s",
        "USUBJID": f"p{patient}",
        "CLINICID": clinic,
        "AESEQ": k,
        "AEID": f"e{k}",
        "AEDECOD": f"t{k}",
        "SESSIONID": f"s{patient}",
        "AESER": "N",
        "NEWFL": "Y",
        "ASTDTM": when,
        "ASTDT": when and when.date(),
        **columns,
    }


def compute(sessions, events=(), answers=(), **options) -> pl.DataFrame:
    frames = {
        "adex": table("adex", sessions),
        "adae": table("adae", list(events)),
        "adqs": table("adqs", [{"FRSTEPFL": "Y"} | answer for answer in answers]),
    }
    return control_charts.compute(**frames, options=Options(**options), cut=CUT)


def chart(frame: pl.DataFrame, metric: str, clinic: str | None = "A") -> pl.DataFrame:
    return frame.filter(pl.col("clinic_id").eq_missing(pl.lit(clinic)), metric_id=metric)


def months(counts: list[int], *, clinic="A", per_month=50) -> tuple[list[dict], list[dict]]:
    """Sessions and events of that many 30-day steps from the first of 2025, inside one calendar
    month each.
    """
    first = [(date(2025 + m // 12, m % 12 + 1, 3) - START.date()).days for m in range(len(counts))]
    sessions = [
        session(m * 1000 + k, clinic=clinic, day=d + k % 20)
        for m, d in enumerate(first)
        for k in range(per_month)
    ]
    events = [
        event(m * 1000 + k, clinic=clinic, day=first[m] + k % 20, patient=m * 1000 + k % 20)
        for m, n in enumerate(counts)
        for k in range(n)
    ]
    return sessions, events


def test_events_by_month_make_a_u_chart():
    """Twelve months of 2 events in 50 sessions, then 15: limits 4 ± 300·√(0.04/50) = 0 to 12.49; 30
    lies outside.
    """
    rows = chart(compute(*months([2] * 12 + [15])), "chart_events")
    assert rows["chart"].unique().to_list() == ["u"]
    assert rows["value"].to_list() == [4.0] * 12 + [30.0]
    assert rows.select("center", "lower", "upper").row(0) == pytest.approx(
        (4, 0, 4 + 300 * (0.04 / 50) ** 0.5)
    )
    assert rows["point_type"].to_list() == ["common_cause"] * 12 + ["outside"]
    assert rows["variation_icon"][12] == "special_cause_concern"
    assert not rows["is_trial_limits"].any()
    assert rows["period_start"].to_list()[:2] == [date(2025, 1, 1), date(2025, 2, 1)]


def test_a_month_of_events_without_sessions_has_no_rate():
    """Six months of 50 sessions and, beside them, an event in a month in which none was delivered:
    no value, and why.
    """
    sessions, events = months([2] * 7)
    aborted = [s | ({"EXSTAT": "aborted"} if s["ASTDT"].month == 7 else {}) for s in sessions]
    last = chart(compute(aborted, events), "chart_events").tail(1)
    assert last.select("value", "denominator", "reason").row(0) == (
        None,
        0,
        "no session was delivered in the month",
    )


def test_few_reported_events_are_no_improvement():
    """Seven months without an event after twelve with five: a signal (7 on one side), shown as
    neither.
    """
    rows = chart(compute(*months([5] * 12 + [0] * 7)), "chart_events").tail(7)
    assert rows["is_shift"].all()
    assert set(rows["variation_icon"]) == {"special_cause_neither"}


@pytest.mark.parametrize(("n", "limited"), [(5, False), (6, True)])
def test_limits_need_six_points(n, limited):
    """Under six months values stand alone, with the reason; from six on there are trial limits."""
    rows = chart(compute(*months([3] * n)), "chart_events")
    assert rows["value"].to_list() == [6.0] * n
    assert rows["center"].to_list() == [6.0 if limited else None] * n
    assert (
        rows["reason"].to_list()
        == [None if limited else f"{n} of the 6 points that limits need"] * n
    )
    assert rows["is_trial_limits"].to_list() == [True if limited else None] * n
    assert rows.select(SIGNALS).null_count().row(0) == ((0 if limited else n),) * 6
    assert rows["baseline_points"].to_list() == [n if limited else None] * n


def test_a_month_without_sessions_is_no_month_of_the_baseline():
    """Nine months of events without a session, told among three with sessions: those three were
    limits for good. Now the next nine months with sessions are in: (3 · 5 + 9 · 2) / (12 · 50)
    events a session, 5.5 per 100.
    """
    sessions, events = months([5] * 3 + [1] * 9 + [2] * 9 + [9])
    empty = [
        s | {"EXSTAT": "aborted"} if date(2025, 4, 1) <= s["ASTDT"] < date(2026, 1, 1) else s
        for s in sessions
    ]
    rows = chart(compute(empty, events), "chart_events")
    assert rows["denominator"].to_list() == [50.0] * 3 + [0.0] * 9 + [50.0] * 10
    assert rows["center"][0] == pytest.approx(100 * 33 / 600)
    assert rows["baseline_points"].unique().to_list() == [12]
    assert not rows["is_trial_limits"].any()
    assert (
        chart(compute(empty[:600], events[:24]), "chart_events")["reason"]
        .drop_nulls()[0]
        .startswith(("no session", "3 of"))
    )


def test_a_rebase_starts_limits_anew_and_says_why():
    """From the fourteenth month on the limits are of that phase; the rows keep the day and the
    reason; another metric, another clinic and the months before are as they were.
    """
    sessions, events = months([2] * 13 + [10] * 13)
    plain = chart(compute(sessions, events), "chart_events")
    new = Rebase(
        metric_id="chart_events", clinic_id="A", from_date=MONTH_3, reason="a second cabin"
    )
    frame = compute(sessions, events, control_chart_rebases=(new,))
    rows = chart(frame, "chart_events")
    assert rows["center"].to_list() == pytest.approx([4.0] * 13 + [20.0] * 13)
    assert rows["rebased_from"].to_list() == [None] * 13 + [MONTH_3] * 13
    assert rows["rebase_reason"].to_list() == [None] * 13 + ["a second cabin"] * 13
    assert rows["point"].to_list() == list(range(1, 27))
    assert set(plain["point_type"][13:]) == {"outside"}
    assert set(rows["point_type"]) == {"common_cause"}
    assert chart(frame, "chart_events", None)["rebased_from"].null_count() == 26
    assert chart(frame, "chart_sessions_not_held")["rebased_from"].null_count() == 26


def test_a_phase_too_short_for_limits_has_none():
    """Five months after a rebase: the values, no lines, and how many are there; a rebase after the
    end changes nothing.
    """
    sessions, events = months([2] * 18)
    for day, phase in ((MONTH_3, 5), (date(2027, 1, 1), 0)):
        new = Rebase(metric_id="chart_events", from_date=day, reason="new")
        rows = chart(compute(sessions, events, control_chart_rebases=(new,)), "chart_events")
        assert rows["center"].is_null().sum() == phase
        assert (
            rows["reason"].drop_nulls().to_list() == ["5 of the 6 points that limits need"] * phase
        )


def test_a_rebase_of_no_chart_is_refused():
    """A misspelt metric, or the sum of injuries, which has no baseline: an error that names the
    charts.
    """
    for metric in ("chart_event", "chart_cold_injuries"):
        wrong = Rebase(metric_id=metric, from_date=MONTH_3, reason="x")
        with pytest.raises(UsageError, match="expected one of chart_events, chart_limits_exceeded"):
            compute([], control_chart_rebases=(wrong,))


def test_six_points_or_xmr_where_a_site_chooses_them():
    """The rule of six is the chart's; as XmR a month's rate has limits from moving ranges: 4, 6, 4,
    6 … mean 5, 5 ± 5.32.
    """
    sessions, events = months([2, 3] * 6 + [1] * 6)
    assert chart(compute(sessions, events), "chart_events")["is_shift"].sum() == 0
    assert (
        chart(compute(sessions, events, control_chart_run=6), "chart_events")["is_shift"].sum() == 6
    )
    rows = chart(compute(sessions, events, control_chart_kind="xmr"), "chart_events")
    assert set(rows["chart"]) == {"xmr"}
    assert rows.select("center", "lower", "upper").row(0) == pytest.approx((5, 5 - 5.32, 5 + 5.32))
    shares = chart(compute(sessions, events, control_chart_kind="xmr"), "chart_sessions_not_held")
    assert set(shares["chart"]) == {"xmr"}


def test_rare_events_make_a_g_chart():
    """Eight events in ten months (under one a month): the sessions delivered between two of
    them.
    """
    sessions, _ = months([0] * 10)
    days = [3.5, 40.2, 41.1, 80.0, 130.0, 150.5, 220.0, 290.0]
    starts = sorted(s["EXSTDTM"] for s in sessions)
    rows = chart(compute(sessions, [event(k, day=d) for k, d in enumerate(days)]), "chart_events")
    at = [START + timedelta(days=d) for d in days]
    gaps = [sum(a < s <= b for s in starts) for a, b in pairwise(at)]
    assert rows["chart"].unique().to_list() == ["g"]
    assert rows["value"].to_list() == gaps
    assert rows["center"][0] == pytest.approx(np.mean(gaps))
    assert rows["period_start"].to_list() == [a.date() for a in at[1:]]


def test_too_rare_for_any_limit():
    """Two events in ten months: the months, no limits, the reason."""
    sessions, _ = months([0] * 10)
    rows = chart(compute(sessions, [event(1, day=3.0), event(2, day=100.0)]), "chart_events")
    assert rows["value"].sum() == pytest.approx(2 * 100 / 50)
    assert rows["center"].null_count() == 10
    assert rows["reason"][0] == "fewer than one event a month (2 in all): too few for limits"


def test_what_is_an_event_of_a_chart():
    """One that belongs to a session that began (SESSIONID of mart.adae), once for all its records,
    in the month of the session, though its onset is not known; of serious ones the first record
    that is serious.
    """
    sessions, _ = months([0] * 6)
    sessions.append(session(7001, day=7, EXSTAT="missed"))
    events = [
        event(1, day=5, AEDECOD="burn"),
        event(
            2, day=35, patient=1000, AEDECOD="burn", NEWFL="N", AESER="Y", USUBJID="p0"
        ),  # the same, now serious
        event(3, day=None),  # its session is known
        event(4, day=6, patient="nobody"),
        event(5, day=6, SESSIONID=None),  # belongs to none
        event(6, day=8, patient=7001),  # belongs to one that never began
        event(7, day=61, patient=1010),  # of a session on 13 February, noticed in March
        event(8, day=5, SESSIONID="s7001"),  # belongs to one that never began
        event(9, day=None, SESSIONID="s7001"),
        event(10, day=-200, ATRISKFL="N"),  # history, though written down with a session
    ]
    frame = compute(sessions, events)
    assert chart(frame, "chart_events")["numerator"].to_list() == [2, 1, 0, 0, 0, 0]
    assert chart(frame, "chart_serious_events")["numerator"].to_list() == [0, 1, 0, 0, 0, 0]


def test_sessions_that_do_not_say_whether_somebody_asked_are_missing():
    """Of 50 sessions a month 10 say no and 15 say nothing: 10 of 35, as in sessions_not_asked."""
    sessions, _ = months([0] * 6)
    for k, s in enumerate(sessions):
        s["ASKEDFL"] = "N" if k % 50 < 10 else None if k % 50 < 25 else "Y"
    rows = chart(compute(sessions), "chart_sessions_not_asked")
    assert rows["value"].to_list() == pytest.approx([10 / 35] * 6)
    assert rows["denominator"].to_list() == [35] * 6
    assert rows["upper"][0] == pytest.approx(10 / 35 + 3 * (10 / 35 * 25 / 35 / 35) ** 0.5)


def test_limits_exceeded_are_of_sessions_that_could_be_judged():
    """Of 50 sessions a month 20 have no flag at all; 6 of the other 30 broke a limit."""
    sessions, _ = months([0] * 6)
    for k, s in enumerate(sessions):
        s["DURFL"] = None if k % 50 < 20 else "Y" if k % 50 < 26 else "N"
    rows = chart(compute(sessions), "chart_limits_exceeded")
    assert rows["value"].to_list() == [0.2] * 6
    assert rows["denominator"].to_list() == [30] * 6


def answer(month: int, change: float | None, k: int, *, clinic="A") -> dict:
    return {
        "STUDYID": "s",
        "USUBJID": f"q{month}-{k}",
        "SITEID": clinic,
        "PARAMCD": "NRS7D",
        "PARAM": "pain",
        "ADT": date(2025, month, 10),
        "AVISIT": "Week 8",
        "ANL01FL": "Y",
        "CHG": change,
    }


def test_pain_by_month_is_a_mean_of_at_least_five():
    """-1, -2, -3, -2, -2 a month: mean -2. A month of four answers has no value; a missing change
    is no answer.
    """
    answers = [
        answer(m, c, k)
        for m in range(1, 8)
        for k, c in enumerate((-1.0, -2.0, -3.0, -2.0, -2.0, None))
    ]
    answers += [answer(8, -9.0, k) for k in range(4)]
    rows = chart(compute([], answers=answers), "chart_pain_change")
    assert rows["value"].to_list() == [-2.0] * 7 + [None]
    assert rows["reason"].to_list() == [None] * 7 + ["fewer than 5 patients"]
    assert rows["denominator"].to_list() == [5.0] * 7 + [4.0]
    assert rows.select("center", "lower", "upper").row(0) == (-2, -2, -2)
    assert rows["is_suppressed"].to_list() == [False] * 7 + [True]


def test_cusum_of_cold_injuries():
    """The sums are the definition's, session by session; a row is a month's highest; all clinics
    share the limit, whose simulated run length for all charts together is printed.
    """
    sessions = [
        s
        for c, base in (("A", 0), ("B", 100_000))
        for s in (
            x | {"SESSIONID": f"{c}{x['SESSIONID']}", "USUBJID": f"{c}{x['USUBJID']}"}
            for x in months([0] * 8, clinic=c)[0]
        )
    ]
    hurt = [s for s in sessions if s["CLINICID"] == "A"][200:330:10]
    events = [
        event(k, SESSIONID=s["SESSIONID"], AEINJ="frostbite", day=1) for k, s in enumerate(hurt)
    ]
    frame = compute(sessions, events)
    share = len(hurt) / len(sessions)
    up, down = spc.bernoulli_weights(share, 2)
    total, highest = 0.0, defaultdict(float)
    injured = {s["SESSIONID"] for s in hurt}
    for s in sorted(
        (s for s in sessions if s["CLINICID"] == "A"), key=lambda s: (s["EXSTDTM"], s["SESSIONID"])
    ):
        total = max(0.0, total + (up if s["SESSIONID"] in injured else down))
        highest[s["ASTDT"].replace(day=1)] = max(highest[s["ASTDT"].replace(day=1)], total)
    rows = chart(frame, "chart_cold_injuries")
    assert rows["value"].to_list() == pytest.approx([highest[m] for m in sorted(highest)], abs=1e-9)
    assert rows["is_outside"].to_list() == [v >= rows["upper"][0] for v in rows["value"]]
    assert rows["in_control_arl"][0] == pytest.approx(370, rel=0.02)
    assert (
        rows["upper"].unique().to_list()
        == chart(frame, "chart_cold_injuries", "B")["upper"].unique().to_list()
    )
    assert rows["limit_share"].to_list() == pytest.approx(
        [v / rows["upper"][0] for v in rows["value"]]
    )
    share = int(100 * rows["limit_share"][-1])
    assert rows["nearness"][0] == "no cold injury; 0 % of the limit"
    text = (
        f"13 cold injuries in 13 patients, rising since May 2025; {share} % of the limit: a signal"
    )
    assert rows["nearness"][-1] == text
    assert frame.equals(compute(sessions, events))


def test_few_injuries_give_no_limit():
    """Four injuries anywhere: the months and their counts, no sum, the reason."""
    sessions, _ = months([0] * 6)
    events = [event(k, SESSIONID=sessions[k]["SESSIONID"], AEINJ="burn", day=1) for k in range(4)]
    rows = chart(compute(sessions, events), "chart_cold_injuries")
    assert rows["numerator"].sum() == 4
    assert rows["value"].null_count() == rows["upper"].null_count() == rows.height
    assert rows["reason"][0] == "4 injuries at all clinics: the limit needs 5"


def test_a_chart_with_a_small_cell_is_marked_whole_and_so_is_one_more():
    """3 events in a month of A: its center line is a total, so all of A is marked; the sum of the
    clinics would give A away, so the smaller of B and C is marked too. The counts stay true.
    """
    sessions, events = [], []
    for clinic, counts, size in (
        ("A", [10] * 6 + [3], 50),
        ("B", [20] * 7, 80),
        ("C", [20] * 7, 60),
    ):
        s, e = months(counts, clinic=clinic, per_month=size)
        sessions += [x | {"SESSIONID": clinic + x["SESSIONID"]} for x in s]
        events += [x | {c: clinic + x[c] for c in ("AEID", "AEDECOD", "SESSIONID")} for x in e]
    frame = compute(sessions, events).filter(metric_id="chart_events")
    marked = {c: g["is_suppressed"].unique().to_list() for (c,), g in frame.group_by("clinic_id")}
    assert marked == {None: [False], "A": [True], "B": [False], "C": [True]}
    assert chart(frame, "chart_events")["numerator"].to_list() == [10] * 6 + [3]


def test_random_clinics_by_a_plain_recomputation():
    """Months counted by loops over sessions and events of every kind; lines from the estimators on
    those counts; the order of the rows changes nothing.
    """
    generator = np.random.default_rng(8)
    sessions = [
        session(
            k,
            clinic=[None, *"ABC"][generator.integers(4)],
            day=float(generator.uniform(0, 500)),
            EXSTAT=str(
                generator.choice(["delivered", "delivered", "aborted", "missed", "cancelled"])
            ),
            ASKEDFL=[None, "Y", "N"][generator.integers(3)],
        )
        for k in range(900)
    ]
    events = [
        event(
            k,
            clinic="ABC"[generator.integers(3)],
            day=float(generator.uniform(0, 500)),
            patient=int(generator.integers(1000)),
        )
        for k in range(200)
    ]
    frame = compute(sessions, events)
    month_of = {
        s["SESSIONID"]: s["ASTDT"].replace(day=1)
        for s in sessions
        if s["EXSTAT"] in ("delivered", "aborted")
    }
    for clinic in (None, "A", "B", "C"):
        here = [s for s in sessions if clinic is None or s["CLINICID"] == clinic]
        seen = [
            e
            for e in events
            if (clinic is None or e["CLINICID"] == clinic) and e["SESSIONID"] in month_of
        ]
        delivered = Counter(s["ASTDT"].replace(day=1) for s in here if s["EXSTAT"] == "delivered")
        happened = Counter(month_of[e["SESSIONID"]] for e in seen)
        order = sorted(delivered | happened)
        rows = chart(frame, "chart_events", clinic)
        x, n = [happened[m] for m in order], [delivered[m] for m in order]
        assert rows.select("period_start", "numerator", "denominator").rows() == list(
            zip(order, x, n, strict=True)
        )
        expected = spc.u_chart(x, n, 100, baseline=12)
        assert rows["upper"].to_list() == pytest.approx(expected["upper"].to_list())
        assert rows["is_shift"].to_list() == expected["is_shift"].to_list()
        booked = Counter(s["ASTDT"].replace(day=1) for s in here)
        lost = Counter(s["ASTDT"].replace(day=1) for s in here if s["EXSTAT"] != "delivered")
        rows = chart(frame, "chart_sessions_not_held", clinic)
        assert rows["value"].to_list() == pytest.approx(
            [lost[m] / booked[m] for m in sorted(booked)]
        )
    order = generator.permutation(len(sessions))
    assert frame.equals(compute([sessions[k] for k in order], events[::-1]))
    assert all(
        r["is_passed"]
        for r in check_table(MART_TABLES["control_charts"], frame).iter_rows(named=True)
    )


def test_without_data_there_is_an_empty_table():
    """Nothing charted: the columns and no row; the registry holds the mart; every metric is in the
    catalogue.
    """
    frame = compute([])
    assert frame.schema == MART_TABLES["control_charts"].polars_schema
    assert frame.is_empty()
    assert MARTS["control_charts"].is_summary
    assert len([m for m in METRICS if m.startswith("chart_")]) == 7
