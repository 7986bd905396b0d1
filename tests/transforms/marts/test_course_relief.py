"""Rules of mart.course_relief: which episodes make a pair, who is due, the paired difference.

Here: small marts, the arithmetic shown. Not here: what an episode is (test_episodes.py).
"""

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from scipy import stats

from transforms.marts import course_relief
from transforms.options import Cut, Options
from transforms.released.as_released import as_released
from transforms.schemas import MART_TABLES

CUT = Cut(lake_snapshot=7, data_cutoff=datetime(2027, 1, 1, 12, tzinfo=UTC))
DAY1 = date(2025, 3, 3)
TABLE = MART_TABLES["course_relief"]


def frame(name, rows, **shared):
    table = MART_TABLES[name]
    full = [{**shared, **row} for row in rows]
    return pl.DataFrame(
        [{n: r.get(n) for n in table.names} for r in full], schema=table.polars_schema
    )


def day(n):
    return DAY1 + timedelta(days=n)


def patient(k, *values, second_on=200, study="ROUTINE", code="NRS7D", visit="Month 3", **columns):
    """Rows of adsl, mart.subject_episodes and adqs: episode n has the n-th (baseline, value at the visit);
    a value of None was not answered. The second begins on `second_on`, the third a year after it.
    """
    who = {"USUBJID": f"P{k}", "STUDYID": study}
    starts = [0, second_on, second_on + 365][: len(values)]
    periods = [
        {
            **who,
            "APERIOD": n + 1,
            "NSESS": 5,
            "DAY1DT": day(start),
            "TRTSDTM": datetime(2025, 3, 3, 12, tzinfo=UTC) + timedelta(days=start),
            "CRSENDT": day(start + 14),
            "WINENDT": day(starts[n + 1] - 29) if n + 1 < len(starts) else None,
            "BLFUPFL": None if n == 0 else "Y",
            "FRSTEPFL": "Y" if n == 0 else "N",
            "LASTEPFL": "Y" if n + 1 == len(starts) else "N",
        }
        for n, start in enumerate(starts)
    ]
    answers = [
        {
            **who,
            "APERIOD": n + 1,
            "PARAMCD": code,
            "AVISIT": visit,
            "ANL01FL": "Y",
            "BASE": base,
            "AVAL": value,
            "CHG": value - base,
            "ADT": day(starts[n] + 91),
            "ADY": 92,
        }
        for n, (base, value) in enumerate(values)
        if value is not None
    ]
    person = {**who, "SITEID": "C1", "TIMEZONE": "UTC", "NSESS": 5, "DAY1DT": DAY1, **columns}
    return {"adsl": [person], "subject_episodes": periods, "adqs": answers}


def run(*patients, options=None, cut=CUT):
    given = {
        name: frame(name, [row for p in patients for row in p[name]], PARAM="x")
        for name in ("adsl", "subject_episodes", "adqs")
    }
    return course_relief.compute(**given, options=options or Options(), cut=cut)


def whole(rows, visit="Month 3"):
    mine = rows.filter((pl.col("strata").list.len() == 0) & (pl.col("visit") == visit))
    assert mine.height == 1
    return mine.row(0, named=True)


# changes -3 and -2, -3 and -4, -2 and 0: differences 1, -1, 2
THREE = (
    patient(1, (7.0, 4.0), (6.0, 4.0)),
    patient(2, (8.0, 5.0), (7.0, 3.0)),
    patient(3, (6.0, 4.0), (5.0, 5.0)),
)


def test_the_second_change_beside_the_first():
    """Means -8/3 and -2, difference 2/3; its deviations 1/3, -5/3, 4/3: variance 42/9 / 2 = 7/3,
    half width t(.975; 2) √(7/3 / 3). Baselines 7 and 6.
    """
    row = whole(run(*THREE))
    assert (row["n_patients"], row["n_due"], row["n_pairs"], row["n_missing"]) == (3, 3, 3, 0)
    assert (row["baseline_first"], row["baseline_second"]) == (7, 6)
    assert (row["change_first"], row["change_second"]) == pytest.approx((-8 / 3, -2))
    half = stats.t.ppf(0.975, 2) * (7 / 9) ** 0.5
    limits = (row["difference"], row["difference_lower"], row["difference_upper"])
    assert limits == pytest.approx((2 / 3, 2 / 3 - half, 2 / 3 + half))
    assert row["n_baseline_in_follow_up"] == 3
    assert row["reason"] is None
    assert row["unit"] == "points"


def test_only_both_changes_make_a_pair():
    """Of five with a second episode one did not answer in it, one not in the first: means are of
    the three others.
    """
    row = whole(
        run(
            *THREE,
            patient(4, (9.0, 1.0), (9.0, None)),
            # without an answer in the first there is no parameter either: another visit's gives it
            patient(5, (9.0, 1.0), (9.0, 1.0), visit="Month 6"),
        )
    )
    assert (row["n_patients"], row["n_due"], row["n_pairs"], row["n_missing"]) == (5, 5, 3, 2)
    assert row["change_first"] == pytest.approx(-8 / 3)


@pytest.mark.parametrize(
    ("patients", "reason"),
    [
        # the second's baseline begins on day 12: before Month 3, after which the first has no visit
        ([patient(1, (7.0, 4.0), (6.0, 4.0), second_on=40)], course_relief.NEVER_DUE),
        # Month 3 of the second is in 2027
        ([patient(1, (7.0, 4.0), (6.0, None), second_on=640)], course_relief.NONE_DUE),
        ([patient(1, (7.0, 4.0), (6.0, None))], course_relief.NO_PAIR),
        ([patient(1, (7.0, 4.0), (6.0, 4.0))], course_relief.ONE_PAIR),
        ([patient(k, (7.0, 4.0), (6.0, 4.0)) for k in (1, 2)], course_relief.EQUAL_PAIRS),
    ],
)
def test_why_there_is_none(patients, reason):
    """No value, or no interval: the row says why."""
    row = whole(run(*patients))
    assert row["reason"] == reason
    assert row["difference_lower"] is None
    assert (row["difference"] is None) == (row["n_pairs"] == 0)
    parts = [row[n] for n in ("n_pairs", "n_missing", "n_ended", "n_pending")]
    assert sum(parts) == row["n_patients"]


def test_who_came_once_is_in_no_pair():
    """One episode, or none with a pain score: no row."""
    assert run(patient(1, (7.0, 4.0))).is_empty()
    assert run(patient(1, (7.0, None), (7.0, None))).is_empty()
    assert run().schema == TABLE.polars_schema


def test_the_third_is_not_the_second():
    """Of three episodes the first two count."""
    three = patient(1, (7.0, 4.0), (6.0, 4.0), (9.0, 0.0))
    assert whole(run(three))["change_second"] == -2


def test_a_second_episode_in_another_study_makes_no_pair():
    """The first is of routine care, the second of a study: nothing of either beside the other."""
    both = [patient(1, (7.0, 4.0), (6.0, 4.0), study=study) for study in ("ROUTINE", "s")]
    apart = {
        "adsl": [row for p in both for row in p["adsl"]],
        "subject_episodes": [
            both[0]["subject_episodes"][0],
            both[1]["subject_episodes"][1],
        ],
        "adqs": [both[0]["adqs"][0], both[1]["adqs"][1]],
    }
    assert run(apart).is_empty()


def test_a_parameter_is_the_first_episodes():
    """Asked by an NRS at first and by a VAS later: no change to set beside it."""
    first, second = (
        patient(1, (7.0, 4.0), (6.0, 4.0)),
        patient(1, (70.0, 40.0), (60.0, 40.0), code="VAS7D"),
    )
    mixed = first | {"adqs": [first["adqs"][0], second["adqs"][1]]}
    row = whole(run(mixed))
    assert (row["parameter"], row["n_pairs"], row["n_missing"]) == ("NRS7D", 0, 1)


def test_order_changes_nothing():
    """Patients in any order give the same rows."""
    assert run(*THREE).equals(run(*reversed(THREE)))


def test_few_are_not_seen_outside():
    """Three pairs are hidden; of thirty, counts are rounded, and means are in steps."""
    assert run(*THREE)["is_suppressed"].all()
    many = [patient(k, (7.0, 4.0 + k % 3), (6.0, 3.0 + k % 4), SITEID="C1") for k in range(1, 33)]
    rows = run(*many)
    shown = whole(as_released(TABLE, rows, options=Options()))
    assert not shown["is_suppressed"]
    assert (shown["n_patients"], shown["n_pairs"], shown["n_due"]) == (30, 30, 30)
    exact = whole(rows)
    for name in ("change_first", "difference", "difference_lower", "baseline_second"):
        assert shown[name] == pytest.approx(exact[name], abs=0.1)
    assert shown["difference"] != exact["difference"]


PLAN = json.dumps([{"visit": "Week 12", "target_day": 84, "from_day": 70, "to_day": 98}])


def test_in_a_study_that_plans_visits_of_its_own_relief_is_at_those():
    """Beside a routine pair, which is asked at the usual visits: Week 12 has the study's pair alone, and
    Month 3, which the study does not plan, is not said to be out of its reach.
    """
    rows = run(
        *THREE[:1], patient(2, (8.0, 5.0), (7.0, 3.0), study="S", visit="Week 12", VISITPLN=PLAN)
    )
    assert whole(rows, "Week 12")["difference"] == -1
    assert whole(rows, "Week 12")["n_patients"] == whole(rows)["n_patients"] == 1
    of_study = rows.filter(pl.col("study_id") == "S", pl.col("strata").list.len() == 1)
    assert of_study["visit"].sort().to_list() == ["End of course", "Week 12"]
