"""Tables of `core` made of the series: a row a patient and day, or a session.

Here: their columns. Not here: how they are computed (transforms/series).
"""

from ...facts.measurements import CADENCE_BANDS_SPM, DAY_VALUES
from ..base import Column, Table
from .columns import B, D, F, I, S

ACTIVITY_DAYS = Table(
    "core",
    "activity_days",
    "One row a patient, device and local day of wearable readings; samples resolved (of two of one instant, "
    "that in the later event counts).",
    (
        Column("patient_id", S, "patient", required=True),
        Column("device_id", S, "device; empty text where the reading names none", required=True),
        Column("day", D, "local calendar day", required=True),
        Column(
            "is_timezone_assumed",
            B,
            "some reading had no UTC offset: the clinic's time zone was used",
            required=True,
        ),
        Column("day_length_h", F, "length of the local day", "h"),
        Column(
            "recorded_minutes",
            F,
            "minutes with a step count of a minute or less; the cadence bands add up to it",
            "min",
        ),
        Column("wear_minutes", F, "minutes worn; null where nothing tells", "min"),
        Column("wear_source", S, "what tells it", closed=("worn", "heart_rate")),
        Column("steps", F, "steps of the day, from samples shorter than a day", "steps"),
        Column("vendor_steps", F, "the vendor's own total; never added to steps", "steps"),
        *(
            Column(
                f"minutes_{band}_spm",
                F,
                f"minutes at cadence {low} to {'more' if high is None else f'below {high}'}",
                "min",
            )
            for band, (low, high) in CADENCE_BANDS_SPM.items()
        ),
        Column("mvpa_minutes", F, "minutes at 100 steps/min or more", "min"),
        Column("vigorous_minutes", F, "minutes at 130 steps/min or more", "min"),
        Column("peak_1_spm", F, "highest minute's cadence", "steps/min"),
        Column(
            "peak_30_spm",
            F,
            "mean of the 30 highest minutes, not necessarily consecutive",
            "steps/min",
        ),
        Column(
            "peak_60_spm",
            F,
            "mean of the 60 highest minutes, not necessarily consecutive",
            "steps/min",
        ),
        *(Column(value.column, F, value.words, value.unit) for value in DAY_VALUES),
        Column("samples", I, "non-null samples", required=True),
        Column("last_event_id", S, "the latest event that contributed"),
    ),
    ("patient_id", "device_id", "day"),
)

# The aggregation of Mobilise-D (mobgap): a column a statistic and group of bouts, with the unit in
# the name.
_GROUPS = {
    "all": "all bouts",
    "10_30": "10 s < duration <= 30 s",
    "10": "duration > 10 s",
    "30": "duration > 30 s",
    "60": "duration > 60 s",
}


def _walking_columns() -> tuple[Column, ...]:
    columns = [Column(f"bouts_{g}", I, f"walking bouts, {text}") for g, text in _GROUPS.items()]
    columns += [
        Column("walking_duration_h", F, "total walking duration, all bouts", "h"),
        Column("walking_steps", F, "steps in walking bouts, all bouts", "steps"),
        Column("turns", F, "turns in walking bouts, all bouts"),
        Column("bout_duration_median_s", F, "median bout duration, all bouts", "s"),
        Column("bout_duration_p90_s", F, "90th percentile of bout duration, all bouts", "s"),
        Column("bout_duration_cv", F, "coefficient of variation of bout duration, a ratio"),
    ]
    spec = {
        "cadence_spm": ("cadence", "steps/min", {"all": ("mean", "cv"), "30": ("mean", "p90")}),
        "stride_duration_s": ("stride duration", "s", {"all": ("mean", "cv"), "30": ("mean",)}),
        "stride_length_cm": ("stride length", "cm", {"10_30": ("mean",), "30": ("mean", "cv")}),
        "walking_speed_mps": (
            "walking speed",
            "m/s",
            {"10_30": ("mean",), "10": ("p90",), "30": ("mean", "p90", "cv")},
        ),
    }
    for name, (text, unit, groups) in spec.items():
        for group, stats in groups.items():
            columns += [
                Column(
                    f"{name}_{group}_{stat}",
                    F,
                    f"{stat} {text}, {_GROUPS[group]}",
                    None if stat == "cv" else unit,
                )
                for stat in stats
            ]
    return tuple(columns)


WALKING_DAYS = Table(
    "core",
    "walking_days",
    "One row a patient, device and local day of walking bouts (Mobilise-D aggregation).",
    (
        Column("patient_id", S, "patient", required=True),
        Column("device_id", S, "device; empty text where the bout names none", required=True),
        Column("day", D, "local calendar day of the bout's start", required=True),
        Column("is_timezone_assumed", B, "the clinic's time zone was used", required=True),
        *_walking_columns(),
    ),
    ("patient_id", "device_id", "day"),
)

TELEMETRY_SESSIONS = Table(
    "core",
    "telemetry_sessions",
    "One row a session with telemetry: what the device itself measured.",
    (
        Column("session_id", S, "session", required=True),
        Column("cabin_min_temp_c", F, "coldest cabin sample", "°C"),
        Column("cabin_max_temp_c", F, "warmest cabin sample during exposure", "°C"),
        Column("skin_min_temp_c", F, "coldest skin sample, any site", "°C"),
        Column("skin_last_temp_c", F, "last skin sample", "°C"),
        Column("room_min_oxygen_pct", F, "lowest room oxygen sample", "%"),
        Column(
            "skin_rewarming_min",
            F,
            "minutes from the session's end until the skin is back within 1 K of its value before it; null where it was not seen to be",
            "min",
        ),
        Column(
            "dose_k_s",
            F,
            "sum over exposure of max(0, 0 °C - cabin temperature) x seconds: a proposal, not validated",
            "K s",
        ),
        Column("samples", I, "non-null samples", required=True),
    ),
    ("session_id",),
)
