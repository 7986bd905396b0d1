"""mart.adact: weeks and tests of two patients by hand: weeks from Day 1, baseline, change, reasons,
devices.
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from tests import treatment_episodes
from transforms.facts.catalogue import METRICS
from transforms.facts.measurements import CADENCE_BANDS_SPM
from transforms.facts.mobility_parameters import VITALS, WEEKLY_PARAMETERS, metric_of_week
from transforms.marts import MARTS
from transforms.marts.adact import compute
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES
from transforms.series.mobility import STATISTICS

DAY1 = date(2025, 1, 15)  # a Wednesday
CUT = Cut(lake_snapshot=1, data_cutoff=datetime(2025, 6, 1, 12, tzinfo=UTC))


def table(frame_of: str, *rows: dict) -> pl.DataFrame:
    known = {**CORE_TABLES, "adsl": MART_TABLES["adsl"]}[frame_of]
    return pl.DataFrame(
        [dict.fromkeys(known.names) | row for row in rows], schema=known.polars_schema
    )


def date_of(ady: int) -> date:
    return DAY1 + timedelta(days=ady - 1 if ady > 0 else ady)


def worn_days(
    first: int,
    last: int,
    *,
    steps: float,
    wear_h: float | None = 12,
    device: str = "D1",
    patient="P1",
) -> list[dict]:
    return [
        {
            "patient_id": patient,
            "device_id": device,
            "day": date_of(ady),
            "steps": steps,
            "samples": 1,
            "is_timezone_assumed": False,
            "wear_minutes": None if wear_h is None else wear_h * 60,
        }
        for ady in range(first, last + 1)
        if ady
    ]


def adact(activity=(), walking=(), tests=(), *, keys=None, cut=CUT, options=None) -> pl.DataFrame:
    """The mart of P1, whose first session is on Day 1 at noon (Berlin), and P2, who has none."""
    subject = {
        "STUDYID": "trial",
        "SITEID": "C1",
        "DAY1DT": DAY1,
        "TIMEZONE": "Europe/Berlin",
        "NSESS": 0,
    }
    start = datetime(2025, 1, 15, 11, tzinfo=UTC)
    session = {
        "session_id": "S",
        "patient_id": "P1",
        "clinic_id": "C1",
        "status": "delivered",
        "started_at": start,
        "revision": 0,
    }
    core = {
        "sessions": table("sessions", session),
        "patients": table(
            "patients", *({"patient_id": p, "clinic_id": "C1"} for p in ("P1", "P2"))
        ),
        "clinics": table("clinics", {"clinic_id": "C1", "timezone": "Europe/Berlin"}),
        "patient_status": table("patient_status"),
    }
    adsl = table(
        "adsl",
        subject | {"USUBJID": "P1", "TRTSDTM": start, "TRTSDT": DAY1},
        subject | {"USUBJID": "P2"},
    )
    episodes = treatment_episodes.of_sessions(adsl, **core)
    core.pop("sessions")
    return compute(
        keys,
        activity_days=table("activity_days", *activity),
        walking_days=table("walking_days", *walking),
        performance_tests=table("performance_tests", *tests),
        **core,
        adsl=adsl,
        subject_episodes=episodes,
        options=options or Options(),
        cut=cut,
    )


def of(frame: pl.DataFrame, code: str, *columns: str) -> list[tuple]:
    return frame.filter(pl.col("PARAMCD") == code).select(columns).rows()


def a_test(
    ady: int,
    value: float | None,
    test: str = "lumbar_flexion_rom",
    hour: int = 8,
    patient: str = "P1",
) -> dict:
    at = datetime.combine(date_of(ady), datetime.min.time(), UTC) + timedelta(hours=hour)
    return {
        "test_id": f"T{ady}-{hour}",
        "event_id": f"E{ady}-{hour}",
        "patient_id": patient,
        "clinic_id": "C1",
        "performed_at": at,
        "test": test,
        "value": value,
    }


def test_weeks_baseline_and_change():
    """Weeks of 7 days from Day 1; baseline is the last valid week before it; CHG = 6000 - 4000,
    PCHG 50 %.
    """
    found = adact(
        worn_days(-14, -8, steps=3000) + worn_days(-7, -1, steps=4000) + worn_days(1, 7, steps=6000)
    )
    assert of(
        found, "STEPS", "WEEKSTDT", "ADT", "ADY", "AVISIT", "AVAL", "BASE", "CHG", "PCHG", "ABLFL"
    ) == [
        (date_of(-14), date_of(-8), -8, "Baseline", 3000, 4000, None, None, None),
        (date_of(-7), date_of(-1), -1, "Baseline", 4000, 4000, None, None, "Y"),
        (date_of(1), date_of(7), 7, "Week 1", 6000, 4000, 2000, 50, None),
    ]
    assert set(of(found, "STEPS", "AVALU", "DEVICEID", "VALIDDAYS", "WEARHRS", "NEREASON")) == {
        ("steps/day", "D1", 7, 12, None)
    }


def test_weeks_that_say_nothing_have_a_reason():
    """Too few valid days, wear unknown, and a week without data between two others: a null each,
    with its reason.
    """
    days = (
        worn_days(1, 3, steps=5000)
        + worn_days(8, 14, steps=5000, wear_h=None)
        + worn_days(22, 28, steps=5000)
    )
    rows = of(adact(days), "STEPS", "ADY", "AVAL", "VALIDDAYS", "NEREASON")
    assert rows == [
        (7, None, 3, "too few valid days"),
        (14, None, 0, "no wear information"),
        (21, None, 0, "no data"),
        (28, 5000, 7, "no baseline"),
    ]


def test_a_week_is_given_once_it_is_over():
    """A week whose last day is the day of the data cut in the clinic's zone is not over."""
    days = worn_days(1, 14, steps=5000)
    at = datetime(2025, 1, 21, 22, 59, tzinfo=UTC)  # 23:59 in Berlin of day 7
    assert adact(days, cut=Cut(lake_snapshot=1, data_cutoff=at)).is_empty()
    over = Cut(lake_snapshot=1, data_cutoff=at + timedelta(minutes=1))
    assert of(adact(days, cut=over), "STEPS", "ADY") == [(7,)]


def test_two_devices_are_never_added():
    """Each day the device worn longest counts; a week names all that counted."""
    days = (
        worn_days(1, 7, steps=5000)
        + worn_days(1, 3, steps=8000, wear_h=14, device="D2")
        + worn_days(4, 7, steps=1, wear_h=11, device="D2")
    )
    assert of(adact(days), "STEPS", "AVAL", "DEVICEID") == [((3 * 8000 + 4 * 5000) / 7, "D1,D2")]


def test_walking_takes_its_wear_from_the_same_device():
    """Days of walking bouts are valid by the wear of their device; without any the week says so."""
    walking = [
        {
            "patient_id": p,
            "device_id": "D1",
            "day": date_of(ady),
            "is_timezone_assumed": False,
            "walking_speed_mps_30_mean": 1.2,
        }
        for p in ("P1", "P2")
        for ady in range(1, 8)
    ]
    found = adact(worn_days(1, 7, steps=5000), walking)
    assert of(found, "WALKSPD", "USUBJID", "AVAL", "VALIDDAYS", "NEREASON") == [
        ("P1", pytest.approx(1.2), 7, "no baseline"),
        ("P2", None, 0, "no wear information"),
    ]


def test_tests_and_measurement_error():
    """Lumbar flexion: 14 degrees is not shown as change, 15 is; the last test before the session is
    the baseline.
    """
    tests = [
        a_test(-3, 50),
        a_test(1, 40, hour=8),
        a_test(1, 41, hour=12),
        a_test(8, 54),
        a_test(29, 25),
        a_test(57, None),
    ]
    found = adact(tests=tests)
    assert of(
        found, "LUMFLEX", "ADY", "AVISIT", "AVAL", "CHG", "CHGMDCFL", "ABLFL", "NEREASON", "EVENTID"
    ) == [
        (-3, "Baseline", 50, None, None, None, None, "E-3-8"),
        (1, "End of course", 41, 1, "N", None, None, "E1-12"),
        (1, "Baseline", 40, None, None, "Y", None, "E1-8"),
        (8, "Week 1", 54, 14, "N", None, None, "E8-8"),
        (29, "Week 4", 25, -15, "Y", None, None, "E29-8"),
        (57, "Week 8", None, None, None, None, "not done", "E57-8"),
    ]


def test_threshold_in_print_is_reached():
    """A timed up and go of 7.7 s after 9.0 s is a change of 1.3 s, though binary fractions say a
    hair less.
    """
    found = adact(tests=[a_test(-3, 9.0, "timed_up_and_go"), a_test(8, 7.7, "timed_up_and_go")])
    assert of(found, "TUG", "MDC", "CHGMDCFL", "CHGCAT1")[1] == (1.3, "Y", "improved")
    assert abs(7.7 - 9.0) < 1.3


@pytest.mark.parametrize(
    ("test", "before", "after", "expected"),
    [
        ("six_minute_walk", 400, 459, "unchanged"),
        ("six_minute_walk", 400, 460, "improved"),
        ("six_minute_walk", 460, 400, "deteriorated"),
        ("timed_up_and_go", 9.0, 10.3, "deteriorated"),
        ("gait_speed_4_m", 1.00, 1.07, "unchanged"),
        ("gait_speed_4_m", 1.00, 1.08, "improved"),
        ("lumbar_flexion_rom", 40, 50, None),
        ("lumbar_flexion_rom", 40, 60, None),
        ("six_minute_walk", 400, None, None),
    ],
)
def test_nothing_below_the_smallest_change_is_a_change(test, before, after, expected):
    """Improved or deteriorated from the smallest change on; no class where more is neither better
    nor worse.
    """
    found = adact(tests=[a_test(-3, before, test), a_test(8, after, test)])
    assert found["CHGCAT1"].to_list() == [None, expected]


def test_every_cadence_band_and_walking_statistic_has_a_week():
    """All columns of core.activity_days with minutes at a cadence, and all statistics of
    core.walking_days, are a parameter of eight letters at most; each once but steps, whose weighted
    mean is a second.
    """
    used = [(p.table, p.column) for p in WEEKLY_PARAMETERS]
    bands = {("activity_days", f"minutes_{band}_spm") for band in CADENCE_BANDS_SPM}
    assert bands | {("walking_days", name) for name in STATISTICS} <= set(used)
    assert [u for u in set(used) if used.count(u) > 1] == [("activity_days", "steps")]
    codes = [p.code for p in WEEKLY_PARAMETERS]
    assert len(set(codes)) == len(codes)
    assert max(len(code) for code in codes) <= 8


def test_weeks_of_cadence_bands():
    """30 minutes at 100 to 119 steps/min on four days and none on three: 120 / 7 minutes a day; no
    class of change.
    """
    days = worn_days(-7, -1, steps=4000) + worn_days(1, 7, steps=6000)
    days = [d | {"minutes_100_119_spm": 30.0 if k % 7 < 4 else 0.0} for k, d in enumerate(days)]
    assert of(adact(days), "CAD100", "AVAL", "CHG", "AVALU", "CHGCAT1")[-1] == (
        pytest.approx(120 / 7),
        pytest.approx(0),
        "min/day",
        None,
    )


def test_steps_have_no_class():
    """No smallest change of steps is known: 2,000 more a day are a change of no class."""
    found = adact(worn_days(-7, -1, steps=4000) + worn_days(1, 7, steps=6000))
    assert of(found, "STEPS", "CHG", "MDC", "CHGCAT1")[-1] == (2000, None, None)


def test_conforms_and_is_a_function_of_its_patients():
    """The rows conform, name a metric and version of the catalogue, have a unique key, and keys
    give the same rows.
    """
    activity = worn_days(-7, 7, steps=5000) + worn_days(-7, 7, steps=3000, patient="P2")
    tests = [a_test(8, 54), a_test(8, 60, "six_minute_walk", hour=9, patient="P2")]
    found = adact(activity, tests=tests)
    assert found.schema == MART_TABLES["adact"].polars_schema
    assert found.select(MART_TABLES["adact"].key).is_unique().all()
    assert {(m, v) for m, v in found.select("METRICID", "METRICV").rows()} <= {
        (m.id, m.version) for m in METRICS.values()
    }
    one = adact(activity, tests=tests, keys=pl.DataFrame({"patient_id": ["P2"]}))
    assert one.equals(found.filter(pl.col("USUBJID") == "P2"))
    assert one.height == 5  # two weeks each of STEPS and STEPSW, a test
    assert MARTS["adact"].compute is compute
    assert adact().is_empty()


# --- what wearables measure beside movement -----------------------------------------------------


def vital_days(first: int, last: int, *, wear_h: float | None = 12, **values: float) -> list[dict]:
    return [
        day | {"steps": None} | values for day in worn_days(first, last, steps=0, wear_h=wear_h)
    ]


@pytest.mark.parametrize(
    ("code", "column", "unit"),
    [
        ("HRMEAN", "heart_rate_mean", "/min"),
        ("HRVSDNN", "heart_rate_variability_sdnn_mean", "ms"),
        ("HRVRMSSD", "heart_rate_variability_rmssd_mean", "ms"),
        ("SLEEPDUR", "sleep_duration_min", "min/day"),
        ("SKINTDEV", "nightly_skin_temperature_deviation_k", "K"),
    ],
)
def test_a_week_of_a_vital(code, column, unit):
    """Of days -7 to -1 at 60 and of days 1 to 7 at 66, one of them worn 9 h and so not counted
    though it says 600: 60, 66.
    """
    days = vital_days(-7, -1, **{column: 60.0}) + vital_days(1, 6, **{column: 66.0})
    found = adact(days + vital_days(7, 7, wear_h=9, **{column: 600.0}))
    rows = of(found, code, "AVISIT", "AVAL", "AVALU", "VALIDDAYS", "CHG", "CHGCAT1", "NEREASON")
    assert rows == [
        ("Baseline", 60.0, unit, 7, None, None, None),
        ("Week 1", 66.0, unit, 6, 6.0, None, None),
    ]
    assert found["PARAMCD"].unique().to_list() == [code]  # one statistic is never another
    assert of(found, code, "METRICV")[0] == (METRICS[metric_of_week(code)].version,)


def test_a_deviation_has_no_percentage():
    """From 0.1 K to 0.3 K is 0.2 K more, and no 200 %: 0 K is not none of it. Heart rate from 60 to
    66 is 10 % more.
    """
    columns = {"nightly_skin_temperature_deviation_k": (0.1, 0.3), "heart_rate_mean": (60.0, 66.0)}
    before, after = ({c: pair[k] for c, pair in columns.items()} for k in (0, 1))
    found = adact(vital_days(-7, -1, **before) + vital_days(1, 7, **after))
    assert of(found, "SKINTDEV", "CHG", "PCHG")[-1] == (pytest.approx(0.2), None)
    assert of(found, "HRMEAN", "CHG", "PCHG")[-1] == (6.0, 10.0)


def test_a_vital_without_wear_says_why():
    """Sleep of a device that says nothing of wear, and of one that is worn at night alone, is no
    value and no zero.
    """
    days = vital_days(1, 7, wear_h=None, sleep_duration_min=400.0) + vital_days(
        8, 14, wear_h=8, sleep_duration_min=410.0
    )
    assert of(adact(days), "SLEEPDUR", "AVAL", "NEREASON") == [
        (None, "no wear information"),
        (None, "too few valid days"),
    ]


def test_every_vital_of_a_day_is_a_parameter():
    """No measured column of core.activity_days is computed and never shown: each is a parameter, or
    it tells of wear.
    """
    about = {
        "patient_id",
        "device_id",
        "day",
        "is_timezone_assumed",
        "day_length_h",
        "samples",
        "last_event_id",
    }
    of_wear = {"recorded_minutes", "wear_minutes", "wear_source"}
    shown = {p.column for p in WEEKLY_PARAMETERS if p.table == "activity_days"}
    assert set(CORE_TABLES["activity_days"].names) - shown == about | of_wear | {"vendor_steps"}
    assert {p.column for p in VITALS} < shown
