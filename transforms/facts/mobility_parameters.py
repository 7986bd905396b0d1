"""The parameters of mart.adact: what each is, its unit, the smallest change that is shown as one,
its source.

Here: weekly parameters of wearables (movement, and what else they measure) and performance tests.
Not here: how they are computed (series/activity.py, series/mobility.py, rules/wear.py) and
published (marts/adact.py, catalogue).
"""

from dataclasses import dataclass

from .measurements import CADENCE_BANDS_SPM


@dataclass(frozen=True, kw_only=True)
class WeeklyParameter:
    """A mean of valid days: `column` of the table of core that `table` names.

    `is_weighted`: (5 weekday mean + 2 weekend mean) / 7. `change`: smallest change that is shown as
    one, in the unit; null where none is known. `has_zero`: 0 is none of it, so that a percentage of
    a value has a meaning.
    """

    code: str
    title: str
    unit: str
    table: str
    column: str
    direction: str
    source: str
    is_weighted: bool = False
    change: float | None = None
    has_zero: bool = True


@dataclass(frozen=True, kw_only=True)
class PerformanceTest:
    """A test of the contract; `change` is the smallest change that is shown as one, in the unit."""

    test: str
    code: str
    title: str
    unit: str
    direction: str
    change: float
    source: str


_CADENCE_SOURCE = (
    "stepmetrics 1.0.3; CADENCE-Adults 10.1186/s12966-019-0769-6 (100 steps/min = 3 METs, 130 = 6)"
)
_STEPS_SOURCE = "no important change of steps is known for back pain: exploratory"
_GAIT_SOURCE = (
    "Mobilise-D (mobgap); no important change of these is known for back pain: exploratory"
)
CHANGE_VERIFICATION = (
    "verified"  # of the smallest changes: each figure was read in the abstract of its source
)
_FLEXION_SOURCE = "MDC90 5-15 deg by movement (PMC5034504): less than 15 deg is not shown as change"


def _activity(
    code: str, title: str, unit: str, column: str, source: str, **more
) -> WeeklyParameter:
    more = {"direction": "higher", "table": "activity_days"} | more
    return WeeklyParameter(code=code, title=title, unit=unit, column=column, source=source, **more)


def _walking(code: str, title: str, unit: str, column: str, direction="higher") -> WeeklyParameter:
    return WeeklyParameter(
        code=code,
        title=title,
        unit=unit,
        table="walking_days",
        column=column,
        direction=direction,
        source=_GAIT_SOURCE,
    )


def _band(name: str, low: int, high: int | None) -> WeeklyParameter:
    text = (
        f"{low} steps/min or more"
        if high is None
        else f"{low} to {high - 1} steps/min"
        if low
        else "no step"
    )
    return _activity(
        f"CAD{low}",
        f"Minutes a day at {text}",
        "min/day",
        f"minutes_{name}_spm",
        _CADENCE_SOURCE,
        direction="none",
    )


# The rest of the Mobilise-D aggregation: neither more nor less of these is known to be better.
_MORE_WALKING = tuple(
    _walking(code, title, unit, column, direction="none")
    for code, title, unit, column in (
        ("BOUTS", "Walking bouts a day", "bouts/day", "bouts_all"),
        ("BOUTS10", "Walking bouts a day over 10 s", "bouts/day", "bouts_10"),
        ("BOUTS130", "Walking bouts a day of 10 to 30 s", "bouts/day", "bouts_10_30"),
        ("BOUTS30", "Walking bouts a day over 30 s", "bouts/day", "bouts_30"),
        ("BOUTS60", "Walking bouts a day over 60 s", "bouts/day", "bouts_60"),
        ("WALKSTEP", "Steps a day in walking bouts", "steps/day", "walking_steps"),
        ("TURNS", "Turns a day in walking bouts", "turns/day", "turns"),
        ("BOUTMED", "Duration of a walking bout, median", "s", "bout_duration_median_s"),
        ("BOUT90", "Duration of a walking bout, 90th percentile", "s", "bout_duration_p90_s"),
        (
            "BOUTCV",
            "Duration of a walking bout, coefficient of variation",
            "ratio",
            "bout_duration_cv",
        ),
        ("CADCV", "Cadence, all bouts, coefficient of variation", "ratio", "cadence_spm_all_cv"),
        ("CADL", "Cadence, bouts over 30 s", "steps/min", "cadence_spm_30_mean"),
        ("CADL90", "Cadence, 90th percentile, bouts over 30 s", "steps/min", "cadence_spm_30_p90"),
        ("STRIDDUR", "Stride duration, all bouts", "s", "stride_duration_s_all_mean"),
        (
            "STRDURCV",
            "Stride duration, all bouts, coefficient of variation",
            "ratio",
            "stride_duration_s_all_cv",
        ),
        ("STRDURL", "Stride duration, bouts over 30 s", "s", "stride_duration_s_30_mean"),
        ("STRLENS", "Stride length, bouts of 10 to 30 s", "cm", "stride_length_cm_10_30_mean"),
        (
            "STRLENCV",
            "Stride length, bouts over 30 s, coefficient of variation",
            "ratio",
            "stride_length_cm_30_cv",
        ),
        (
            "WALKSL90",
            "Walking speed, 90th percentile, bouts over 30 s",
            "m/s",
            "walking_speed_mps_30_p90",
        ),
        (
            "WALKSPCV",
            "Walking speed, bouts over 30 s, coefficient of variation",
            "ratio",
            "walking_speed_mps_30_cv",
        ),
    )
)


# What wearables measure beside movement. SDNN and RMSSD are two statistics and never pooled; skin
# temperature is a deviation from the wearer's own nights, not the temperature of what is treated. A
# day counts as it does for steps.
_VITAL_SOURCE = (
    "vendors' own measure; no important change of it is known for back pain: exploratory"
)
VITALS = tuple(
    _activity(code, title, unit, column, _VITAL_SOURCE, direction="none", **more)
    for code, title, unit, column, more in (
        ("HRMEAN", "Heart rate, mean of the day", "/min", "heart_rate_mean", {}),
        ("HRVSDNN", "Heart rate variability, SDNN", "ms", "heart_rate_variability_sdnn_mean", {}),
        (
            "HRVRMSSD",
            "Heart rate variability, RMSSD",
            "ms",
            "heart_rate_variability_rmssd_mean",
            {},
        ),
        ("SLEEPDUR", "Sleep a day", "min/day", "sleep_duration_min", {}),
        (
            "SKINTDEV",
            "Nightly skin temperature, deviation from the wearer's own",
            "K",
            "nightly_skin_temperature_deviation_k",
            {"has_zero": False},
        ),
    )
)

WEEKLY_PARAMETERS = (
    _activity("STEPS", "Steps a day", "steps/day", "steps", _STEPS_SOURCE),
    _activity(
        "STEPSW",
        "Steps a day, weekdays and weekend weighted 5 to 2",
        "steps/day",
        "steps",
        _STEPS_SOURCE,
        is_weighted=True,
    ),
    _activity(
        "MVPA", "Minutes a day at 100 steps/min or more", "min/day", "mvpa_minutes", _CADENCE_SOURCE
    ),
    _activity(
        "VIGOROUS",
        "Minutes a day at 130 steps/min or more",
        "min/day",
        "vigorous_minutes",
        _CADENCE_SOURCE,
    ),
    _activity("PEAK1", "Cadence of the highest minute", "steps/min", "peak_1_spm", _CADENCE_SOURCE),
    _activity(
        "PEAK30",
        "Mean cadence of the 30 highest minutes",
        "steps/min",
        "peak_30_spm",
        _CADENCE_SOURCE,
    ),
    _activity(
        "PEAK60",
        "Mean cadence of the 60 highest minutes",
        "steps/min",
        "peak_60_spm",
        _CADENCE_SOURCE,
    ),
    _activity(
        "WALKASYM",
        "Walking asymmetry",
        "%",
        "walking_asymmetry_mean",
        "vendors' own measure",
        direction="lower",
    ),
    _activity(
        "LUMFLEXW",
        "Lumbar flexion by wearable, largest of a day",
        "deg",
        "lumbar_flexion_max",
        _FLEXION_SOURCE,
        direction="none",
        change=15,
    ),
    _walking("WALKSPD", "Walking speed, bouts over 30 s", "m/s", "walking_speed_mps_30_mean"),
    _walking(
        "WALKSPDS", "Walking speed, bouts of 10 to 30 s", "m/s", "walking_speed_mps_10_30_mean"
    ),
    _walking(
        "WALKSP90",
        "Walking speed, 90th percentile, bouts over 10 s",
        "m/s",
        "walking_speed_mps_10_p90",
    ),
    _walking("CADENCE", "Cadence, all bouts", "steps/min", "cadence_spm_all_mean"),
    _walking("STRIDLEN", "Stride length, bouts over 30 s", "cm", "stride_length_cm_30_mean"),
    _walking("WALKDUR", "Walking a day", "h/day", "walking_duration_h"),
    *_MORE_WALKING,
    *(_band(name, *limits) for name, limits in CADENCE_BANDS_SPM.items()),
    *VITALS,
)

PERFORMANCE_TESTS = (
    PerformanceTest(
        test="six_minute_walk",
        code="SIXMWD",
        title="Six-minute walk distance",
        unit="m",
        direction="higher",
        change=60,
        source="10.1186/s12891-018-2382-2: 60 m for neck or back (75 m for the lower limb), chronic pain, n=838",
    ),
    PerformanceTest(
        test="timed_up_and_go",
        code="TUG",
        title="Timed up and go",
        unit="s",
        direction="lower",
        change=1.3,
        source="Jakobsson 2019, 10.1186/s12891-019-2512-5: 1.3 s after fusion for chronic low back pain",
    ),
    PerformanceTest(
        test="five_sit_to_stand",
        code="STS5",
        title="Five times sit to stand",
        unit="s",
        direction="lower",
        change=4.1,
        source="Andersson 2010, 10.1097/BRS.0b013e3181cea12e: 4.1 to 9.8 s in chronic low back pain, the lower end",
    ),
    PerformanceTest(
        test="stair_climb_1_min",
        code="STAIR1",
        title="One-minute stair climb",
        unit="steps",
        direction="higher",
        change=14.5,
        source="Andersson 2010, 10.1097/BRS.0b013e3181cea12e: 14.5 to 23.9 steps, the lower end",
    ),
    PerformanceTest(
        test="fifty_foot_walk",
        code="WALK50",
        title="Fifty-foot walk",
        unit="s",
        direction="lower",
        change=0.6,
        source="Jakobsson 2019, 10.1186/s12891-019-2512-5: 0.6 s",
    ),
    PerformanceTest(
        test="gait_speed_4_m",
        code="GAIT4M",
        title="Gait speed over 4 m",
        unit="m/s",
        direction="higher",
        change=0.08,
        source="LIFE-P, PMC3100159: 0.03 to 0.05 m/s minimal, 0.08 m/s substantial",
    ),
    PerformanceTest(
        test="lumbar_flexion_rom",
        code="LUMFLEX",
        title="Lumbar flexion, range of motion",
        unit="deg",
        direction="none",
        change=15,
        source=_FLEXION_SOURCE,
    ),
)


def metric_of_week(code: str) -> str:
    """The catalogue's id of a weekly parameter."""
    return f"{code.lower()}_week"


def metric_of_test(code: str) -> str:
    """The catalogue's id of a performance test."""
    return f"{code.lower()}_test"


_WEEK_RULE = (
    "a day is valid with {valid_day_wear_h} h of wear or more, a week with {valid_week_days} valid days or more, "
    "{valid_week_weekend_days} or more of them at its weekend, else null and a reason; "
    "of two devices worn on one day the one worn longest counts"
)
_VALID = "mean over the valid days of a week of 7 days from Day 1"
_WEIGHTED = (
    "(5 weekday mean + 2 weekend mean) / 7 over the valid days of a week of 7 days from Day 1"
)
_WEAR = ("valid_day_wear_h", "valid_week_days", "valid_week_weekend_days")


def definitions() -> list[dict]:
    """The parameters as entries of the catalogue."""
    weeks = [
        {
            "id": metric_of_week(p.code),
            "parameter": p.code,
            "statistic": "week",
            "title": p.title,
            "unit": p.unit,
            "direction": p.direction,
            "source": p.source,
            "rule": f"{_WEIGHTED if p.is_weighted else _VALID}: core.{p.table}.{p.column}; {_WEEK_RULE}",
            "verification": "proposal",
            "parameters": _WEAR,
            "tests": ("tests/transforms/marts/test_adact.py",),
        }
        for p in WEEKLY_PARAMETERS
    ]
    tests = [
        {
            "id": metric_of_test(p.code),
            "parameter": p.code,
            "statistic": "result",
            "title": p.title,
            "unit": p.unit,
            "direction": p.direction,
            "source": p.source,
            "rule": f"result as measured; a change of less than {p.change:g} {p.unit} is not shown as change",
            "verification": CHANGE_VERIFICATION,
            "tests": ("tests/transforms/marts/test_adact.py",),
        }
        for p in PERFORMANCE_TESTS
    ]
    # 1: heart rates of 0 and 255 were wear; a test that names no clinic had the day in UTC, as
    # after a transfer had what was worn without an offset the day of the clinic before
    new = {metric_of_week(p.code) for p in VITALS}
    return [{"version": "1" if entry["id"] in new else "2"} | entry for entry in (*weeks, *tests)]
