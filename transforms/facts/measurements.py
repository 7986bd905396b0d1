"""What devices measure: metrics of wearables, signals of sessions, bands of cadence.

Here: each with its unit and what is physically possible. Not here: what is made of them (mobility_parameters.py).
"""

from dataclasses import dataclass
from typing import Literal

# metric -> (UCUM unit, lowest and highest value that is physically possible, meaning)
METRICS: dict[str, tuple[str, float, float, str]] = {
    "step_count": ("{steps}", 0, 100_000, "steps in the interval"),
    "heart_rate": ("/min", 0, 400, "heart rate"),
    "heart_rate_variability_sdnn": ("ms", 0, 2_000, "SDNN; never pooled with RMSSD"),
    "heart_rate_variability_rmssd": ("ms", 0, 2_000, "RMSSD; never pooled with SDNN"),
    "lumbar_flexion": ("deg", -180, 180, "lumbar flexion angle"),
    "walking_asymmetry": ("%", 0, 100, "walking asymmetry"),
    "sleep_duration": ("min", 0, 1_440, "sleep"),
    "nightly_skin_temperature_deviation": ("K", -20, 20, "deviation from the wearer's own nights"),
    "worn": ("1", 0, 1, "1 worn, 0 not worn"),
    "daily_step_count": (
        "{steps}",
        0,
        500_000,
        "the vendor's own total of a day; never added to minutes",
    ),
}


@dataclass(frozen=True, kw_only=True)
class DayValue:
    """What a day of a metric comes to: `column` of core.activity_days, the `statistic` of its
    samples. `is_of_heart`: not where the device's heart rate is no heart's.
    """

    column: str
    metric: str
    statistic: Literal["mean", "sum", "largest"]
    unit: str
    words: str
    is_of_heart: bool = False


DAY_VALUES: tuple[DayValue, ...] = (
    DayValue(
        column="heart_rate_mean",
        metric="heart_rate",
        statistic="mean",
        unit="/min",
        words="mean of the heart-rate samples",
        is_of_heart=True,
    ),
    DayValue(
        column="heart_rate_variability_sdnn_mean",
        metric="heart_rate_variability_sdnn",
        statistic="mean",
        unit="ms",
        words="mean SDNN",
    ),
    DayValue(
        column="heart_rate_variability_rmssd_mean",
        metric="heart_rate_variability_rmssd",
        statistic="mean",
        unit="ms",
        words="mean RMSSD",
    ),
    DayValue(
        column="lumbar_flexion_max",
        metric="lumbar_flexion",
        statistic="largest",
        unit="deg",
        words="largest lumbar flexion",
    ),
    DayValue(
        column="walking_asymmetry_mean",
        metric="walking_asymmetry",
        statistic="mean",
        unit="%",
        words="mean walking asymmetry",
    ),
    DayValue(
        column="sleep_duration_min",
        metric="sleep_duration",
        statistic="sum",
        unit="min",
        words="sleep",
    ),
    DayValue(
        column="nightly_skin_temperature_deviation_k",
        metric="nightly_skin_temperature_deviation",
        statistic="mean",
        unit="K",
        words="mean nightly skin temperature deviation",
    ),
)

# signal -> (lowest, highest)
SIGNALS: dict[str, tuple[float, float]] = {
    "cabin_temp_c": (-273.15, 100),
    "skin_temp_c": (-100, 60),
    "room_oxygen_pct": (0, 100),
}

# Cadence bands, steps/min (stepmetrics 1.0.3): name -> (lowest, lowest of the next)
CADENCE_BANDS_SPM = {
    "0": (0, 1),
    "1_19": (1, 20),
    "20_39": (20, 40),
    "40_59": (40, 60),
    "60_79": (60, 80),
    "80_99": (80, 100),
    "100_119": (100, 120),
    "120_plus": (120, None),
}
