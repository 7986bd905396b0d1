"""Walking bouts to days: Mobilise-D's reference row in full, its unit traps, plausibility, nulls
and local days.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.facts.mobility_parameters import PERFORMANCE_TESTS, WEEKLY_PARAMETERS
from transforms.options import Options
from transforms.schemas import CORE_TABLES, TOPIC_BY_NAME
from transforms.series.mobility import STATISTICS, aggregate, plausible, walking_days
from transforms.series.wearable_day import MOVES

DATA = Path(__file__).parents[4] / "shared" / "data"
AT = datetime(2025, 1, 6, 12, tzinfo=UTC)
# column of core.walking_days -> column of the reference
REFERENCE = {
    "bouts_all": "wb_all_sum",
    "bouts_10_30": "wb_1030_sum",
    "bouts_10": "wb_10_sum",
    "bouts_30": "wb_30_sum",
    "bouts_60": "wb_60_sum",
    "walking_duration_h": "walkdur_all_sum",
    "walking_steps": "wbsteps_all_sum",
    "turns": "turns_all_sum",
    "bout_duration_median_s": "wbdur_all_avg",
    "bout_duration_p90_s": "wbdur_all_p90",
    "bout_duration_cv": "wbdur_all_var",
    "cadence_spm_all_mean": "cadence_all_avg",
    "cadence_spm_all_cv": "cadence_all_var",
    "cadence_spm_30_mean": "cadence_30_avg",
    "cadence_spm_30_p90": "cadence_30_p90",
    "stride_duration_s_all_mean": "strdur_all_avg",
    "stride_duration_s_all_cv": "strdur_all_var",
    "stride_duration_s_30_mean": "strdur_30_avg",
    "stride_length_cm_10_30_mean": "strlen_1030_avg",
    "stride_length_cm_30_mean": "strlen_30_avg",
    "stride_length_cm_30_cv": "strlen_30_var",
    "walking_speed_mps_10_30_mean": "ws_1030_avg",
    "walking_speed_mps_10_p90": "ws_10_p90",
    "walking_speed_mps_30_mean": "ws_30_avg",
    "walking_speed_mps_30_p90": "ws_30_p90",
    "walking_speed_mps_30_cv": "ws_30_var",
}


def bouts(*rows: dict) -> pl.DataFrame:
    """Rows of core.walking_bouts: 20 s of P1 at noon UTC, unless said otherwise."""
    table = CORE_TABLES["walking_bouts"]
    made = [
        dict.fromkeys(table.names)
        | {
            "bout_id": f"B{k}",
            "patient_id": "P1",
            "device_id": "D1",
            "started_at": AT,
            "duration_s": 20.0,
            "utc_offset_min": 0,
        }
        | row
        for k, row in enumerate(rows)
    ]
    return pl.DataFrame(made, schema=table.polars_schema)


def test_reference_row_in_full():
    """Reference 33: every column of Mobilise-D's row as printed (hours, cm, ratios), no limits
    applied.
    """
    if not (DATA / "mobility_bouts.csv").exists():
        pytest.skip("no ../shared/data: the bouts of the reference are not here")
    frame = pl.read_csv(DATA / "mobility_bouts.csv").rename(
        {"n_steps": "steps", "n_turns": "turns"}
    )
    reference = pl.read_csv(DATA / "mobility_bouts_reference.csv").row(0, named=True)
    assert set(REFERENCE) == set(STATISTICS)
    assert set(REFERENCE.values()) == set(reference) - {
        "visit_type",
        "participant_id",
        "measurement_date",
    }
    [found] = aggregate(frame, ["participant_id"]).to_dicts()
    assert {c: round(found[c], 3) for c in REFERENCE} == {
        c: reference[name] for c, name in REFERENCE.items()
    }


def test_groups_at_their_edges():
    """10 s is in no group above 10; 30 s is in 10-30; 60 s is not above 60."""
    [found] = aggregate(
        bouts(*({"duration_s": s} for s in (10.0, 10.1, 30.0, 30.1, 60.0, 60.1))), ["patient_id"]
    ).to_dicts()
    assert [found[f"bouts_{g}"] for g in ("all", "10_30", "10", "30", "60")] == [6, 2, 5, 3, 1]


def test_nulls_and_few():
    """A null counts for nothing; a sum of none is null, a ratio of one is null, a group of none
    counts 0.
    """
    [found] = aggregate(bouts({"cadence_spm": 100.0}, {"steps": 30.0}), ["patient_id"]).to_dicts()
    assert (found["cadence_spm_all_mean"], found["cadence_spm_all_cv"], found["walking_steps"]) == (
        100,
        None,
        30,
    )
    assert (found["turns"], found["bouts_30"], found["walking_speed_mps_30_p90"]) == (None, 0, None)
    assert found["walking_duration_h"] == pytest.approx(40 / 3600)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (
            {"cadence_spm": 172.9},
            {"cadence_spm", "walking_speed_mps", "stride_length_m", "stride_duration_s"},
        ),
        ({"cadence_spm": 173.0}, {"stride_length_m", "stride_duration_s"}),
        ({"stride_length_m": 0.14}, {"cadence_spm", "stride_duration_s"}),
        ({"walking_speed_mps": 2.23}, {"cadence_spm", "stride_length_m", "stride_duration_s"}),
        ({"stride_duration_s": 3.01}, {"cadence_spm", "walking_speed_mps", "stride_length_m"}),
    ],
)
def test_plausibility(value, kept):
    """A value outside its limits is unknown; a bad cadence or stride length voids the speed; edges
    are plausible.
    """
    good = {
        "cadence_spm": 100.0,
        "walking_speed_mps": 1.2,
        "stride_length_m": 1.4,
        "stride_duration_s": 1.1,
    }
    [found] = plausible(bouts(good | value)).to_dicts()
    assert {c for c in good if found[c] is not None} == kept


def test_bouts_without_duration_are_dropped():
    """A bout of no duration is none; a null beside a good value voids nothing."""
    assert plausible(bouts({"duration_s": 0.0}, {"walking_speed_mps": 1.0}))[
        "walking_speed_mps"
    ].to_list() == [1.0]


def test_local_day():
    """The event's own offset decides, else the clinic's zone (flagged); with neither, or of nobody
    known, it waits.
    """
    late = AT.replace(hour=23, minute=30)
    rows = bouts(
        {"started_at": late, "utc_offset_min": 60},
        {"started_at": late, "utc_offset_min": None, "device_id": "D2"},
        {"started_at": late, "utc_offset_min": 0, "device_id": None},
        {"patient_id": "P2", "utc_offset_min": None},
        {"patient_id": "P9"},
    )
    people = pl.DataFrame(
        {
            "recorded_id": ["P1", "P0", "P2"],
            "patient_id": ["P1", "P1", "P2"],
            "timezone": ["Asia/Tokyo", "Asia/Tokyo", "No/Where"],
        }
    )
    people = people.with_columns(moves=pl.lit([], MOVES))
    found = walking_days(walking_bouts=rows, people=people, options=Options())
    assert found.schema == CORE_TABLES["walking_days"].polars_schema
    assert found.select("device_id", "day", "is_timezone_assumed", "bouts_all").rows() == [
        ("", date(2025, 1, 6), False, 1),
        ("D1", date(2025, 1, 7), False, 1),
        ("D2", date(2025, 1, 7), True, 1),
    ]


def test_plausibility_is_a_setting():
    """The setting decides whether limits apply."""
    rows = bouts({"walking_speed_mps": 5.0, "duration_s": 40.0})
    people = pl.DataFrame({"patient_id": ["P1"], "timezone": ["UTC"]}).with_columns(
        moves=pl.lit([], MOVES)
    )
    speeds = [
        walking_days(
            walking_bouts=rows, people=people, options=Options(is_bout_plausibility_checked=checked)
        )["walking_speed_mps_30_mean"].to_list()
        for checked in (True, False)
    ]
    assert speeds == [[None], [5.0]]


@settings(max_examples=50)
@given(speeds=st.lists(st.none() | st.floats(0.1, 2.2), min_size=1, max_size=12), data=st.data())
def test_order_changes_nothing(speeds, data):
    """The order of bouts does not change a day."""
    rows = [
        {"walking_speed_mps": s, "duration_s": 5.0 + 7 * k, "started_at": AT + timedelta(minutes=k)}
        for k, s in enumerate(speeds)
    ]
    [one], [other] = (
        aggregate(bouts(*r), ["patient_id"]).to_dicts()
        for r in (rows, data.draw(st.permutations(rows)))
    )
    assert other == pytest.approx(one, abs=1e-12)


def test_every_test_of_the_contract_has_its_parameter():
    """Each performance test has a code, a unit and a threshold with its source; weekly columns are
    of their tables.
    """
    tests = set(TOPIC_BY_NAME["performance_tests"].fields[4].closed)
    assert {t.test for t in PERFORMANCE_TESTS} == tests
    assert {t.code: t.change for t in PERFORMANCE_TESTS} == {
        "SIXMWD": 60,
        "TUG": 1.3,
        "STS5": 4.1,
        "STAIR1": 14.5,
        "WALK50": 0.6,
        "GAIT4M": 0.08,
        "LUMFLEX": 15,
    }
    codes = [p.code for p in (*PERFORMANCE_TESTS, *WEEKLY_PARAMETERS)]
    assert len(set(codes)) == len(codes)
    assert max(map(len, codes)) <= 8
    assert all(p.column in CORE_TABLES[p.table].names for p in WEEKLY_PARAMETERS)
