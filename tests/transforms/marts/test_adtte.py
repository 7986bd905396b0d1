"""Rules of mart.adtte and mart.survival_curves: clocks, events, censoring; curves by stratum;
log-rank.

Here: small marts and what must come out. Not here: the estimators (test_survival.py), response
(durability).
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from transforms.facts.strata import STORED
from transforms.marts import adtte, survival_curves
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES

CUT = Cut(lake_snapshot=7, data_cutoff=datetime(2026, 1, 1, 12, tzinfo=UTC))
DAY1 = date(2025, 3, 3)


def frame(table, rows, **shared):
    """A frame of the table: the given columns, all others null."""
    full = [{**shared, **row} for row in rows]
    return pl.DataFrame(
        [{n: r.get(n) for n in table.names} for r in full], schema=table.polars_schema
    )


def day(n):
    return DAY1 + timedelta(days=n)


def moment(n):
    return datetime(2025, 3, 3, 15, tzinfo=UTC) + timedelta(days=n)


def subject(k=1, **columns):
    return {
        "USUBJID": f"P{k}",
        "STUDYID": "s",
        "SITEID": "C1",
        "DAY1DT": DAY1,
        "ENRLDT": day(-5),
        "NSESS": 1,
        "LSTCONDT": day(200),
        "TIMEZONE": "America/New_York",
        **columns,
    }


def care(k, kind, n, *, through=None, patient=1, **columns):
    return {
        "care_id": f"K{k}",
        "patient_id": f"P{patient}",
        "kind": kind,
        "occurred_at": moment(n),
        "reported_through": None if through is None else moment(through),
        "event_id": f"E{k}",
        **columns,
    }


def stretch(start, end, ended_by="risk_window", **columns):
    """A stretch of time at risk, in days from the first session."""
    return {
        "episode": 1,
        "from_at": moment(start),
        "to_at": moment(end),
        "planned_to_at": moment(end),
        "ended_by": ended_by,
        **columns,
    }


def run(
    *,
    people=None,
    events=(),
    cares=(),
    sessions=(0,),
    at_risk=None,
    answers=(),
    keys=None,
    windows_to=None,
    next_on=None,
):
    """`sessions` are of the first episode, whose windows end on day `windows_to`; the next begins on
    `next_on`.
    """
    marts = MART_TABLES
    exposures = [
        {
            "USUBJID": "P1",
            "SESSIONID": f"S{k}",
            "EXSEQ": k + 1,
            "EXSTAT": "delivered",
            "ASTDT": day(n),
            "EXSTDTM": moment(n),
            "APERIOD": period,
        }
        for k, (n, period) in enumerate(
            [*((n, 1) for n in sessions), *([] if next_on is None else [(next_on, 2)])]
        )
    ]
    first = {"USUBJID": "P1", "APERIOD": 1, "FRSTEPFL": "Y", "WINENDT": day(windows_to or 9999)}
    stretches = [stretch(sessions[0], sessions[-1] + 30)] if at_risk is None else at_risk
    return adtte.compute(
        keys,
        adsl=frame(marts["adsl"], people or [subject()]),
        adqs=frame(marts["adqs"], answers, USUBJID="P1", STUDYID="s", PARAM="x", APERIOD=1),
        subject_episodes=frame(marts["subject_episodes"], [first], STUDYID="s", NSESS=1),
        adex=frame(marts["adex"], exposures, STUDYID="s"),
        adae=frame(marts["adae"], events, USUBJID="P1", STUDYID="s", AESEQ=1, EVENTID="E"),
        time_at_risk=frame(marts["time_at_risk"], stretches, patient_id="P1"),
        care=frame(CORE_TABLES["care"], cares, source="s"),
        patients=frame(
            CORE_TABLES["patients"], [{"patient_id": f"P{k}", "clinic_id": "C1"} for k in (1, 2)]
        ),
        clinics=frame(
            CORE_TABLES["clinics"], [{"clinic_id": "C1", "timezone": "America/New_York"}]
        ),
        patient_status=CORE_TABLES["patient_status"].empty(),
        options=Options(),
        cut=CUT,
    )


def time_of(code, **given):
    rows = run(**given).filter(pl.col("PARAMCD") == code)
    assert rows.height == 1
    row = rows.row(0, named=True)
    return row["AVAL"], row["CNSR"], row["EVNTDESC"] or row["CNSDTDSC"] or row["NEREASON"]


def test_empty_and_keys():
    """No patient, no row; only the patients asked for; columns of the schema."""
    nobody = run(keys=pl.DataFrame({"patient_id": ["P9"]}))
    assert nobody.is_empty()
    assert nobody.schema == MART_TABLES["adtte"].polars_schema
    assert run().select(MART_TABLES["adtte"].key).is_duplicated().sum() == 0


@pytest.mark.parametrize(
    ("cares", "expected"),
    [
        ([], (None, None, "no report of how far care is known")),
        ([care(1, "visit", 5)], (None, None, "no report of how far care is known")),
        (
            [care(1, "none_since_last", -3, through=-3)],
            (None, None, "no care reported after the start"),
        ),
        ([care(1, "none_since_last", 90, through=90)], (90, 1, "care reported up to here")),
        ([care(1, "surgery", 40, through=90)], (40, 0, "surgery")),
        ([care(1, "surgery", 40)], (40, 0, "surgery")),
        ([care(1, "surgery", -40, through=90)], (90, 1, "care reported up to here")),
        ([care(1, "surgery", 60), care(2, "surgery", 40)], (40, 0, "surgery")),
        ([care(1, "injection", 40, through=90)], (90, 1, "care reported up to here")),
        (
            [care(1, "visit", 90, through=90, patient=2)],
            (None, None, "no report of how far care is known"),
        ),
    ],
)
def test_time_to_surgery(cares, expected):
    """From Day 1 to the first surgery after it; care-free time ends at the last `reported_through`,
    not today.
    """
    assert time_of("TTSURG", cares=cares) == expected


def test_death_ends_care_free_time():
    """Known through day 90 but dead on day 50: censored at 50."""
    cares = [care(1, "visit", 90, through=90)]
    assert time_of("TTSURG", cares=cares, people=[subject(DTHDT=day(50))]) == (50, 1, "death")


def test_rescue_and_allocation():
    """Rescue is what is marked so; from allocation the clock starts there, for patients in an arm
    only.
    """
    cares = [care(1, "analgesic", 30, through=90, is_rescue=True), care(2, "surgery", 60)]
    assert time_of("TTRESC", cares=cares) == (30, 0, "rescue care")
    assert run(cares=cares).filter(pl.col("PARAMCD").is_in(adtte.FROM_ALLOCATION)).is_empty()
    in_arm = [subject(ARM="a", ALLOCDT=day(-10))]
    assert time_of("TTRESCA", cares=cares, people=in_arm) == (40, 0, "rescue care")
    assert time_of("TTSURGA", cares=cares, people=[subject(ARM="a")]) == (65, 0, "surgery")


def event(onset, end=None, outcome=None, **columns):
    when = None if onset is None else moment(onset)
    return {
        "AEID": "A1",
        "AEDECOD": "burn",
        "TRTEMFL": "Y",
        "NEWFL": "Y",
        "ASTDT": when and when.date(),
        "ASTDTM": when,
        "ATRISKFL": "Y" if when else None,
        "AENDT": None if end is None else day(end),
        "AEOUT": outcome,
        **columns,
    }


@pytest.mark.parametrize(
    ("events", "at_risk", "expected"),
    [
        ([], [stretch(0, 44)], (44, 1, "end of the risk window")),
        ([], [stretch(0, 20.5, "lost")], (20, 1, "last contact")),
        ([], [stretch(0, 20.5, "withdrawal")], (20, 1, "withdrawal from follow-up")),
        ([], [stretch(0, 20.5, "death")], (20, 1, "death")),
        ([], [stretch(0, 20, "data_cut")], (20, 1, "data cut")),
        (
            [],
            [stretch(0, 20, "next_episode"), stretch(20, 50, episode=2)],
            (50, 1, "end of the risk window"),
        ),
        ([event(10)], [stretch(0, 44)], (10, 0, "burn")),
        ([event(20)], [stretch(0, 20.3, "withdrawal")], (20, 0, "burn")),  # on the day of leaving
        (
            [event(21, ATRISKFL="N")],
            [stretch(0, 20.3, "withdrawal")],
            (20, 1, "withdrawal from follow-up"),
        ),
        (
            [event(-3, ATRISKFL="N")],
            [stretch(0, 44)],
            (44, 1, "end of the risk window"),
        ),  # began before
        (
            [event(10, NEWFL="N", ATRISKFL="N", AESEQ=2), event(-3, ATRISKFL="N", AEID="A2")],
            [stretch(0, 44)],
            (44, 1, "end of the risk window"),
        ),  # a further record of one that began before
        (
            [event(150)],
            [stretch(0, 44), stretch(140, 170, episode=2)],
            (44, 1, "end of the risk window"),
        ),
        ([event(None)], [stretch(0, 44)], (None, None, "an onset that is not known")),
        (
            [event(None, TRTEMFL=None)],
            [stretch(0, 44)],
            (44, 1, "end of the risk window"),
        ),  # not emergent by the setting
        ([event(None), event(12, AEID="A2")], [stretch(0, 44)], (12, 0, "burn")),
    ],
)
def test_time_to_the_first_event(events, at_risk, expected):
    """To the first event in the first stretch of time at risk; censored where that ends, and why is
    said.
    """
    assert time_of("TTAE", events=events, at_risk=at_risk) == expected


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([event(5, AEDECOD="headache")], (30, 1, "end of the risk window")),
        (
            [event(5, AEDECOD="headache"), event(9, AEID="A2", AESEQ=2, AEDECOD="Frostbite")],
            (9, 0, "Frostbite"),
        ),
        ([event(5, AEDECOD="blister", AEINJ="burn")], (5, 0, "blister")),
        ([event(5, AEDECOD="blister", AEINJ=None)], (30, 1, "end of the risk window")),
    ],
)
def test_time_to_the_first_event_of_a_group(events, expected):
    """TTCOLD: a term of the group, in any case, or a kind of injury of it."""
    assert time_of("TTCOLD", events=events) == expected


@pytest.mark.parametrize(
    ("given", "people", "any_way", "recovered"),
    [
        (event(10, 12, "resolved"), {}, (3, 0, "resolved"), (3, 0, "resolved")),
        (event(10, 10), {}, (1, 0, "resolved"), (1, 0, "resolved")),
        (
            event(10, 12, "resolved_with_sequelae"),
            {},
            (3, 0, "resolved with sequelae"),
            (3, 1, "resolved with sequelae"),
        ),
        (event(10, None, "ongoing"), {}, (191, 1, "last contact"), (191, 1, "last contact")),
        (event(10, 12, "fatal"), {"DTHDT": day(12)}, (3, 1, "death"), (3, 1, "death")),
        (
            event(None, 12, "resolved"),
            {},
            (None, None, "onset not known"),
            (None, None, "onset not known"),
        ),
        (
            event(10, 9, "resolved"),
            {},
            (None, None, "ended before it began"),
            (None, None, "ended before it began"),
        ),
    ],
)
def test_time_to_resolution(given, people, any_way, recovered):
    """Last day - first day + 1; with sequelae and without are told apart; death and last contact
    censor.
    """
    assert time_of("TTAERES", events=[given], people=[subject(**people)]) == any_way
    assert time_of("TTAEREC", events=[given], people=[subject(**people)]) == recovered


def answer(n, value, base=8.0):
    return {
        "PARAMCD": "NRS7D",
        "ADT": day(n),
        "ADTM": moment(n),
        "AVAL": value,
        "BASE": base,
        "CHG": value - base,
        "CRIT1FL": "Y" if value <= 0.7 * base else "N",
        "EVENTID": f"R{n}",
    }


def test_loss_of_response_and_rescue():
    """Response confirmed on day 57, lost from day 92 on (confirmed on day 120); an injection on day
    80 comes first.
    """
    answers = [answer(n, v) for n, v in ((28, 3.0), (57, 3.0), (92, 7.0), (120, 7.0))]
    assert time_of("TTLOSS", answers=answers) == (35, 0, "confirmed loss of response")
    cares = [care(1, "injection", 80)]
    assert time_of("TTLOSS", answers=answers, cares=cares) == (23, 0, "rescue procedure")
    assert run(answers=answers).select("STUDYID", "SITEID").unique().rows() == [("s", "C1")]


def test_response_and_relapse_end_with_the_episode():
    """The next episode's baseline begins after day 100: of the loss, confirmed on day 120, there is
    one assessment, so that the patient is followed to day 92; a procedure on day 110 is the next
    one's. What is asked of the second episode is none of the first's.
    """
    answers = [answer(n, v) for n, v in ((28, 3.0), (57, 3.0), (92, 7.0))]
    later = [{**answer(120, 7.0), "APERIOD": 2}]
    given = {"answers": answers + later, "windows_to": 100}
    assert time_of("TTLOSS", **given) == (35, 1, "last assessment")
    assert time_of("TTLOSS", **given, cares=[care(1, "injection", 110)]) == (
        35,
        1,
        "last assessment",
    )
    assert time_of("TTLOSS", **given, cares=[care(1, "injection", 99)])[1] == 0
    free = [answer(n, v) for n, v in ((28, 0.0), (60, 0.0), (90, 0.0))]
    back = [{**answer(120, 5.0), "APERIOD": 2}]
    assert time_of("TTRELAPS", answers=free + back, windows_to=100) == (30, 1, "last assessment")


def test_retreatment_from_sessions_care_and_status():
    """The next episode's first session on day 150, or surgery on day 90 before it; else to the data
    cut, 1 January by New York's clock: 304 days.
    """
    assert time_of("TTRETRT") == (304, 1, "data cut")
    assert time_of("TTRETRT", next_on=150) == (150, 0, "next episode")
    cares = [care(1, "surgery", 90)]
    assert time_of("TTRETRT", next_on=150, cares=cares) == (90, 2, "surgery")
    died = [subject(DTHDT=day(60))]
    assert time_of("TTRETRT", next_on=150, people=died) == (60, 2, "death")


# --- survival_curves ----------------------------------------------------------------------------


def curves(rows, people):
    marts = MART_TABLES
    return survival_curves.compute(
        adtte=frame(marts["adtte"], rows, STUDYID="s", PARAM="x", SRCID=None),
        adsl=frame(marts["adsl"], people, STUDYID="s", NSESS=1),
        options=Options(),
        cut=CUT,
    )


MERCAPTOPURINE = [
    6,
    6,
    6,
    -6,
    7,
    -9,
    10,
    -10,
    -11,
    13,
    16,
    -17,
    -19,
    -20,
    22,
    23,
    -25,
    -32,
    -32,
    -34,
    -35,
]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def freireich(code="TTSURGA", allocation="randomised"):
    """Freireich 1963: weeks in remission, negative = censored, in two arms of 21."""
    times = [*((t, "6-MP") for t in MERCAPTOPURINE), *((t, "placebo") for t in PLACEBO)]
    rows = [
        {"USUBJID": f"P{k}", "PARAMCD": code, "AVAL": float(abs(t)), "CNSR": int(t < 0)}
        for k, (t, _) in enumerate(times)
    ]
    people = [
        {"USUBJID": f"P{k}", "ARM": arm, "ALLOCATN": allocation, "SITEID": "C1"}
        for k, (_, arm) in enumerate(times)
    ]
    return curves(rows, people)


def test_reference_12_in_a_stratum():
    """Reference 12: Freireich's 6-MP arm by the mart: survival .627451 at 16 and .448179 at 23,
    median 23.
    """
    by_arm = freireich().filter(pl.col("strata") == pl.lit(["study_arm"], pl.List(pl.String)))
    treated = by_arm.filter(pl.col("arm") == "6-MP")
    seen = dict(zip(treated["time_days"], treated["survival"], strict=True))
    assert (seen[16.0], seen[23.0]) == pytest.approx((0.627451, 0.448179), abs=1e-6)
    assert treated["median"].unique().to_list() == [23.0]
    assert treated["at_risk"].to_list()[0] == 21
    assert treated["n_patients"].unique().to_list() == [21]


def test_log_rank_only_between_randomised_arms_from_allocation():
    """Freireich's log-rank chi-squared is 16.79, p = 4.17e-5; none for arms that chance did not
    make.
    """
    p_values = freireich()["log_rank_p_value"]
    assert freireich().filter(pl.col("strata").list.contains("study_arm"))[
        "log_rank_p_value"
    ].unique().to_list() == [pytest.approx(4.17e-5, rel=1e-3)]
    assert (
        p_values.null_count()
        == freireich().filter(~pl.col("strata").list.contains("study_arm")).height
    )
    assert freireich(allocation="concurrent")["log_rank_p_value"].null_count() == len(p_values)
    assert freireich(code="TTSURG")["log_rank_p_value"].null_count() == len(p_values)


def test_curves_of_nothing():
    """Rows without a time make no curve; a curve that never falls to one half has no median, and
    says so.
    """
    person = [{"USUBJID": "P1", "SITEID": "C1"}]
    assert curves([{"USUBJID": "P1", "PARAMCD": "TTAE", "AVAL": None}], person).is_empty()
    censored = curves([{"USUBJID": "P1", "PARAMCD": "TTAE", "AVAL": 5.0, "CNSR": 1}], person)
    assert censored["median"].null_count() == censored.height == len(STORED)
    assert censored["reason"].null_count() == 0
