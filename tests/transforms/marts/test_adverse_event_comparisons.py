"""mart.adverse_event_comparisons: which groups are set against which, and every ratio recomputed
from the rates.

Here: rows of mart.adverse_event_rates by hand. Not here: the counts in them
(test_adverse_event_rates), the ratio and its limits (test_rates).
"""

from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats

from transforms.checks import check_table
from transforms.facts.restrictions import flag_columns
from transforms.marts import adverse_event_comparisons as mart
from transforms.options import Cut, Options
from transforms.schemas import BOOKKEEPING, CORE_TABLES, MART_TABLES
from transforms.statistics import rates

CUT = Cut(lake_snapshot=4, data_cutoff=datetime(2025, 6, 1, tzinfo=UTC))
RATES = MART_TABLES["adverse_event_rates"]
TABLES = {t.full_name: t for t in (*MART_TABLES.values(), *CORE_TABLES.values(), *BOOKKEEPING)}
FLAGS = dict.fromkeys(flag_columns(), False)


def rate(events, sessions, years, *, patients=20, squared=None, term=None, **stratum) -> dict:
    """A row of mart.adverse_event_rates: patients of equal exposure, with one event each unless
    `squared` says more.
    """
    if "arm" in stratum:
        stratum = {"study_id": "T", **stratum}
    strata = ["study_arm" if d == "arm" else d for d in stratum if d != "study_id"]
    return {
        **FLAGS,
        **stratum,
        "strata": strata,
        "term": term,
        "events": events,
        "sessions": sessions,
        "patient_years": years,
        "patients": patients,
        "patients_with_event": min(events, patients),
        "is_suppressed": False,
        "unread_records": 2,
        "events_squared": events if squared is None else squared,
        "sessions_squared": sessions**2 / patients,
        "patient_years_squared": years**2 / patients,
        "events_sessions": events * sessions / patients,
        "events_patient_years": events * years / patients,
    }


def compute(rows, arms=(), **options) -> pl.DataFrame:
    """`arms`: (arm, allocation) of a patient each."""
    adsl = MART_TABLES["adsl"]
    people = [
        {**dict.fromkeys(adsl.names), "STUDYID": "T", "USUBJID": f"p{k}", "ARM": a, "ALLOCATN": how}
        for k, (a, how) in enumerate(arms)
    ]
    table = pl.DataFrame(
        [{**dict.fromkeys(RATES.names), **r} for r in rows], schema=RATES.polars_schema
    )
    subjects = pl.DataFrame(people, schema=adsl.polars_schema)
    names = [full for full in mart.INPUTS if full not in ("mart.adverse_event_rates", "mart.adsl")]
    others = {full.split(".")[1]: TABLES[full].empty() for full in names}
    return mart.compute(
        adverse_event_rates=table, adsl=subjects, options=Options(**options), cut=CUT, **others
    )


def test_arms_against_the_reference():
    """11 events in 800 against 21 in 3,011, of as many patients: R's poisson.test has 1.971488
    (0.8584264 to 4.2772659); its p of 0.0797 is not of this interval, which has twice the smaller
    tail, 0.1120 (Fay 2010).
    """
    rows = [
        rate(11, 800, 8.0, patients=800, arm="cold"),
        rate(21, 3011, 30.11, patients=3011, arm="control"),
        rate(1, 5, 1.0, arm="(none)"),
    ]
    found = compute(rows, [("cold", "randomised"), ("control", "randomised"), (None, None)])
    assert found.select("dimension", "compared", "reference", "allocation").rows() == [
        ("arm", "cold", "control", "randomised")
    ]
    row = found.row(0, named=True)
    for exposure in ("sessions", "patient_years"):
        limits = [row[f"{exposure}_rate_ratio{side}"] for side in ("", "_lower", "_upper")]
        assert limits == pytest.approx([1.971488, 0.8584264, 4.2772659], abs=1e-6)
        assert row[f"{exposure}_p_value"] == pytest.approx(0.1120173, abs=1e-7)
        assert row[f"{exposure}_overdispersion"] < 1
    assert (row["unread_records"], row["metric_id"]) == (2, "adverse_event_rate_ratio")


@pytest.mark.parametrize("how", ["concurrent", None])
def test_a_p_value_only_between_randomised_arms(how):
    """One patient who was not randomised, or of whom it is not known, takes the p-value away; the
    ratio stays.
    """
    rows = [rate(11, 800, 8.0, arm="cold"), rate(21, 3011, 30.11, arm="control")]
    row = compute(rows, [("cold", "randomised"), ("cold", how), ("control", "randomised")]).row(
        0, named=True
    )
    assert (row["sessions_p_value"], row["sessions_rate_ratio"] is None) == (None, False)
    assert (
        row["allocation"] == f"randomised, {how or 'unknown'}"
        if how is None
        else f"{how}, randomised"
    )


def test_without_a_reference_arm_there_is_no_ratio():
    """Two arms of which none is a control: counts and the reason; the setting names one."""
    rows = [rate(11, 800, 8.0, arm="a"), rate(21, 3011, 30.11, arm="b")]
    arms = [("a", "randomised"), ("b", "randomised")]
    found = compute(rows, arms)
    assert found.select(
        "compared", "reference", "events", "reference_events", "sessions_rate_ratio"
    ).rows() == [
        ("a", "(none)", 11, None, None),
        ("b", "(none)", 21, None, None),
    ]
    assert found["sessions_reason"][0].endswith("name it in FLOE_REFERENCE_ARM")
    assert compute(rows, arms, reference_arm="b").select("compared", "reference").rows() == [
        ("a", "b")
    ]


def test_modalities_in_pairs_and_clinics_against_all_others():
    """Three modalities make three pairs, each once; a clinic of three is set against the sum of
    two.
    """
    rows = [
        rate(4, 100, 1.0, modality="local"),
        rate(6, 100, 1.0, modality="partial_body"),
        rate(9, 300, 3.0, modality="whole_body"),
        rate(6, 100, 1.0, clinic_id="c1"),
        rate(8, 200, 2.0, clinic_id="c2"),
        rate(10, 400, 4.5, clinic_id="c3"),
        rate(6, 100, 1.0, clinic_id="c1", modality="local"),
    ]
    found = compute(rows)
    pairs = found.filter(dimension="modality").select("compared", "reference").rows()
    assert pairs == [
        ("partial_body", "local"),
        ("whole_body", "local"),
        ("whole_body", "partial_body"),
    ]
    clinics = found.filter(dimension="clinic_id")
    columns = (
        "compared",
        "reference",
        "events",
        "reference_events",
        "reference_sessions",
        "reference_patient_years",
    )
    assert clinics.select(columns).rows() == [
        ("c1", "(all others)", 6, 18, 600, 6.5),
        ("c2", "(all others)", 8, 16, 500, 5.5),
        ("c3", "(all others)", 10, 14, 300, 3.0),
    ]
    for row in found.iter_rows(named=True):
        one = rates.rate_ratio(
            row["events"], row["sessions"], row["reference_events"], row["reference_sessions"]
        )
        assert row["sessions_rate_ratio"] == pytest.approx(one.estimate)
        assert (
            row["sessions_rate_ratio_lower"],
            row["sessions_rate_ratio_upper"],
        ) == pytest.approx((one.lower, one.upper))
        assert row["sessions_p_value"] is None


def test_zero_events_and_no_exposure():
    """None in the compared: ratio 0 with an upper limit; none in the reference: a lower limit and
    why there is no more; none in both, or no exposure: the reason.
    """
    rows = [
        rate(0, 100, 1.0, modality="a"),
        rate(5, 100, 1.0, modality="b"),
        rate(0, 100, 0.0, modality="c"),
    ]
    found = {(r["compared"], r["reference"]): r for r in compute(rows).iter_rows(named=True)}
    upper = rates.rate_ratio(5, 100, 0, 100)
    ba, ca, cb = found["b", "a"], found["c", "a"], found["c", "b"]
    assert (ba["sessions_rate_ratio"], ba["sessions_rate_ratio_upper"]) == (None, None)
    assert ba["sessions_rate_ratio_lower"] == pytest.approx(upper.lower)
    assert ba["sessions_reason"] == "no events in the reference: the ratio has no upper bound"
    assert (ca["sessions_rate_ratio"], ca["sessions_reason"][:9]) == (None, "no events")
    assert (cb["sessions_rate_ratio"], cb["sessions_rate_ratio_lower"], cb["sessions_reason"]) == (
        0,
        0,
        None,
    )
    assert cb["sessions_rate_ratio_upper"] > 0
    assert (cb["patient_years_rate_ratio"], cb["patient_years_reason"][:7]) == (None, "a group")


def test_a_term_is_compared_with_itself():
    """Rows of one term and restriction meet only their like."""
    rows = [
        rate(6, 100, 1.0, modality=m, term=t) for m in ("a", "b") for t in (None, "burn", "rash")
    ]
    rows += [rate(5, 100, 1.0, modality=m) | {"is_serious_only": True} for m in ("a", "b")]
    found = compute(rows)
    assert found.select("term", "is_serious_only", "events").rows() == [
        (None, False, 6),
        (None, True, 5),
        ("burn", False, 6),
        ("rash", False, 6),
    ]


def test_overdispersion_widens_limits_and_p_value_alike():
    """30 and 20 events of patients with one each, or of as many patients with several: 36 against
    100 on the square.
    """
    arms = [("a", "randomised"), ("control", "randomised")]
    apart = compute([rate(30, 100, 1.0, arm="a"), rate(8, 100, 1.0, arm="control")], arms).row(
        0, named=True
    )
    groups = [
        rate(30, 100, 1.0, arm="a", squared=250),
        rate(8, 100, 1.0, arm="control", squared=30),
    ]
    together = compute(groups, arms).row(0, named=True)
    exact = rates.rate_ratio(30, 100, 8, 100)
    assert (
        apart["sessions_rate_ratio_lower"],
        apart["sessions_rate_ratio_upper"],
    ) == pytest.approx((exact.lower, exact.upper))
    assert apart["sessions_p_value"] < 0.05 < together["sessions_p_value"]
    assert together["sessions_rate_ratio"] == apart["sessions_rate_ratio"]
    assert together["sessions_rate_ratio_lower"] < 1 < together["sessions_rate_ratio_upper"]
    assert together["sessions_overdispersion"] > 3


def test_patients_with_an_event_of_arms():
    """9 of 10 against 3 of 10: 0.6 (0.1700 to 0.8406, Newcombe 1998 table II), Fisher's p as
    scipy's; arms alone.
    """
    rows = [
        rate(9, 100, 1.0, patients=10, arm="cold"),
        rate(3, 100, 1.0, patients=10, arm="control"),
        rate(9, 100, 1.0, patients=10, modality="a"),
        rate(3, 100, 1.0, patients=10, modality="b"),
    ]
    found = {
        r["dimension"]: r
        for r in compute(rows, [("cold", "randomised"), ("control", "randomised")]).iter_rows(
            named=True
        )
    }
    arm = found["arm"]
    limits = [round(arm[f"risk_difference{side}"], 4) for side in ("", "_lower", "_upper")]
    assert limits == [0.6, 0.17, 0.8406]
    assert arm["fisher_p_value"] == pytest.approx(stats.fisher_exact([[9, 1], [3, 7]]).pvalue)
    assert found["modality"]["risk_difference"] is found["modality"]["fisher_p_value"] is None
    concurrent = compute(rows, [("cold", "concurrent"), ("control", "concurrent")]).row(
        0, named=True
    )
    assert (concurrent["risk_difference"], concurrent["fisher_p_value"]) == (
        arm["risk_difference"],
        None,
    )


def test_no_row_is_for_readers_from_outside():
    """A group's counts less those of its pair are another group's, whatever adverse_event_rates
    hides: all are marked.
    """
    rows = [rate(60, 900, 9.0, modality=name) for name in "abc"]
    assert compute(rows)["is_suppressed"].to_list() == [True] * 3


def test_order_changes_nothing_and_nobody_gives_no_rows():
    """The same rows the other way round; none at all, and a single clinic, give no pair; the schema
    is kept.
    """
    rows = [rate(k, 100, 1.0, clinic_id=f"c{k}") for k in range(5, 9)] + [
        rate(k, 90, 1.0, modality=f"m{k}") for k in range(5, 8)
    ]
    assert_frame_equal(compute(rows[::-1]), compute(rows))
    assert check_table(MART_TABLES["adverse_event_comparisons"], compute(rows))["is_passed"].all()
    for none in ([], rows[:1]):
        found = compute(none)
        assert found.is_empty()
        assert found.schema == MART_TABLES["adverse_event_comparisons"].polars_schema
