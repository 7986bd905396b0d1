"""Rules of mart.competing_risks: who came back, had surgery or died first, by stratum; Gray's test.

Here: small marts and what must come out. Not here: the estimators (test_competing.py), the times
(test_retreatment.py).
"""

from datetime import UTC, datetime

import polars as pl
import pytest

from transforms.marts import MARTS, competing_risks, survival_curves
from transforms.options import Cut, Options
from transforms.released.as_released import as_released
from transforms.schemas import MART_TABLES

CUT = Cut(lake_snapshot=7, data_cutoff=datetime(2026, 1, 1, 12, tzinfo=UTC))
TABLE = MART_TABLES["competing_risks"]
WHAT = {"n": (0, "next episode"), "s": (2, "surgery"), "d": (2, "death"), "+": (1, None)}


def frame(name, rows, **shared):
    table = MART_TABLES[name]
    full = [{**shared, **row} for row in rows]
    return pl.DataFrame(
        [{n: r.get(n) for n in table.names} for r in full], schema=table.polars_schema
    )


def marts(*arms, allocation="randomised", study="s", without_time=0):
    """Patients as `30n 40s 50d 60+`, an arm each text: adtte and adsl."""
    times, people = [], []
    for arm, text in enumerate(arms):
        for k, t in enumerate(text.split()):
            code, what = WHAT[t[-1]]
            who = {"USUBJID": f"P{arm}-{k}", "STUDYID": study}
            times.append(
                {**who, "AVAL": float(t[:-1]), "CNSR": code, "EVNTDESC": what, "PARAMCD": "TTRETRT"}
            )
            people.append({**who, "ARM": f"arm {arm}", "ALLOCATN": allocation})
    left_out = [
        {"USUBJID": f"Q{k}", "STUDYID": study, "ARM": "arm 0", "ALLOCATN": allocation}
        for k in range(without_time)
    ]
    return {
        "adtte": frame("adtte", times, PARAM="x"),
        "adsl": frame("adsl", people + left_out, SITEID="C1", NSESS=1),
    }


def run(*arms, options=None, **given):
    return competing_risks.compute(**marts(*arms, **given), options=options or Options(), cut=CUT)


def whole(rows):
    return rows.filter(pl.col("strata").list.len() == 0)


# 8 patients: back on 10 and 40, surgery on 20, death on 50, the others followed for 60
EIGHT = "10n 20s 40n 50d 60+ 60+ 60+ 60+"


def test_cumulative_incidence_of_each_event():
    """Nobody is censored before 60: shares of 8, back 1/8, 1/8, 2/8, 2/8; surgery 0, 1/8 on; death
    0, 0, 0, 1/8. At 60 four are censored.
    """
    rows = whole(run(EIGHT))
    by_event = {
        event: part["incidence"].to_list()
        for (event,), part in rows.partition_by("event", as_dict=True).items()
    }
    assert by_event == {
        "next episode": pytest.approx([1 / 8, 1 / 8, 2 / 8, 2 / 8, 2 / 8]),
        "surgery": pytest.approx([0, 1 / 8, 1 / 8, 1 / 8, 1 / 8]),
        "death": pytest.approx([0, 0, 0, 1 / 8, 1 / 8]),
    }
    back = rows.filter(event="next episode")
    assert back.select("time_days", "at_risk", "events", "competing", "censored").rows() == [
        (10, 8, 1, 0, 0),
        (20, 7, 0, 1, 0),
        (40, 6, 1, 0, 0),
        (50, 5, 0, 1, 0),
        (60, 4, 0, 0, 4),
    ]
    assert back["n_patients"].unique().to_list() == [8]


def test_one_minus_kaplan_meier_is_more():
    """With surgery and death censored: 1 - 7/8 · 5/6 = 1 - .7292 = .2708, more than 2/8."""
    curve = survival_curves.compute(**marts(EIGHT), options=Options(), cut=CUT)
    curve = curve.filter(pl.col("strata").list.len() == 0)
    assert curve.select("events", "censored").sum().row(0) == (2, 6)
    assert 1 - curve["survival"][-1] == pytest.approx(1 - 7 / 8 * 5 / 6)


def test_nobody():
    """Without a time there is no curve; other parameters are none of these."""
    assert run("").is_empty()
    given = marts(EIGHT)
    other = given["adtte"].with_columns(PARAMCD=pl.lit("TTSURG"))
    rows = competing_risks.compute(adtte=other, adsl=given["adsl"], options=Options(), cut=CUT)
    assert rows.is_empty()
    assert rows.schema == TABLE.polars_schema


ARMS = ("10n 20n 30n 40+ 50+ 60+", "35n 40s 60+ 60+ 60+ 60+")


@pytest.mark.parametrize(
    ("given", "is_tested"),
    [
        ({}, True),
        ({"allocation": "concurrent"}, False),
        ({"without_time": 1}, False),
    ],
)
def test_gray_only_between_randomised_arms_of_whom_all_have_a_time(given, is_tested):
    """Not of arms that chance did not make, nor where somebody allocated never came."""
    rows = run(*ARMS, **given)
    p_values = rows.filter(event="next episode")["gray_p_value"]
    assert (p_values.null_count() < len(p_values)) == is_tested
    assert rows.filter(~pl.col("strata").list.contains("study_arm"))["gray_p_value"].is_null().all()


def test_a_patient_of_two_studies_counts_once():
    """In two studies: one patient of the whole, one of each study."""
    given = [marts("10n 60+", study=study) for study in ("a", "b")]
    rows = competing_risks.compute(
        adtte=pl.concat(g["adtte"] for g in given),
        adsl=pl.concat(g["adsl"] for g in given),
        options=Options(),
        cut=CUT,
    )
    assert whole(rows)["n_patients"].unique().to_list() == [2]
    assert rows.filter(study_id="b")["n_patients"].unique().to_list() == [2]


# --- from outside -------------------------------------------------------------------------------

MANY = " ".join(["10n"] * 12 + ["20s"] * 8 + ["30d"] * 6 + ["60+"] * 20)


@pytest.mark.parametrize(
    ("text", "is_hidden"),
    [
        (MANY, False),
        (MANY.replace("30d", "30+") + " 30d", True),  # one death
        (MANY.replace("20s", "20+"), False),  # none is no secret
        ("10n 20+", True),
    ],
)
def test_curves_of_a_stratum_are_hidden_together(text, is_hidden):
    """Where one kind of event is of 1 to 4 people, the others would give it away."""
    assert whole(run(text))["is_suppressed"].unique().to_list() == [is_hidden]


def test_kaplan_meier_of_competing_events_is_not_seen_outside():
    """It would count what competes together with who is censored: one sum more than the curves."""
    rows = survival_curves.compute(**marts(MANY), options=Options(), cut=CUT)
    assert rows["is_suppressed"].all()
    assert MARTS["survival_curves"].cells(Options()).suppressed(rows).all()


def test_a_release_has_rounded_counts_whose_sums_agree():
    """12 back, 8 had surgery, 6 died, 20 censored of 46: 10, 10, 5, 20 of 45. What competes with
    coming back is 10 + 5 as shown; incidences are of the rounded counts: 10 / 45.
    """
    rows = run(MANY)
    options = Options()
    shown = as_released(TABLE, rows, options=options)
    mine = shown.filter((pl.col("strata").list.len() == 0) & ~pl.col("is_suppressed"))
    for event, n in (("next episode", 10), ("surgery", 10), ("death", 5)):
        own = mine.filter(event=event)
        assert own["events"].sum() == n
        assert own["competing"].sum() == 25 - n
    assert mine.select((pl.col("at_risk") % 5 == 0).all()).item()
    first = mine.filter(event="next episode").row(0, named=True)
    assert (first["at_risk"], first["events"]) == (45, 10)
    assert first["incidence"] == pytest.approx(10 / 45)
