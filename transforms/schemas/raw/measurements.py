"""The topics of what is measured: telemetry, wearables, walking, performance tests.

Here: their fields. Not here: which metrics and signals there are (transforms/facts/measurements.py).
"""

from ...facts.measurements import METRICS, SIGNALS
from .fields import (
    CLINIC,
    DEVICE,
    INTERVAL,
    PATIENT,
    SESSION,
    STARTED,
    VALUES,
    B,
    F,
    S,
    T,
    Topic,
    field,
)

MEASUREMENTS: tuple[Topic, ...] = (
    Topic(
        "telemetry",
        "Device series: cabin and skin temperature, room oxygen.",
        "device_id",
        (
            field("device_id!", S, "device"),
            CLINIC,
            SESSION,
            field("signal!", S, "what was measured", closed=tuple(SIGNALS)),
            field("site", S, "body site of a skin probe"),
            STARTED,
            INTERVAL,
            VALUES,
        ),
        is_series=True,
    ),
    Topic(
        "readings",
        "Wearable series.",
        "patient_id",
        (
            PATIENT,
            DEVICE,
            field("metric!", S, "what was measured", closed=tuple(METRICS)),
            field("unit!", S, "UCUM unit"),
            STARTED,
            INTERVAL,
            VALUES,
        ),
        is_series=True,
    ),
    Topic(
        "retractions",
        "Series taken back: a wrong patient, time zone or file.",
        "retraction_id",
        (
            field("retraction_id!", S, "retraction"),
            field("patient_id", S, "of this patient, as the series names them; null = any"),
            field("device_id", S, "of this device; null = any"),
            field(
                "series_source",
                S,
                "of this source of events (the field `source` of the event); null = any",
                sent_as="source",
            ),
            field("metric", S, "of this metric or signal; null = any"),
            field("from!", T, "of series that start at this moment or day, or later"),
            field("to!", T, "of series that start at this moment or day, or earlier"),
            field("reason!", S, "reason"),
        ),
    ),
    Topic(
        "walking_bouts",
        "Walking bouts.",
        "bout_id",
        (
            field("bout_id!", S, "walking bout"),
            PATIENT,
            DEVICE,
            STARTED,
            field("duration_s!", F, "duration", "s", lo=0),
            field("steps", F, "steps", lo=0),
            field("turns", F, "turns", lo=0),
            field("cadence_spm", F, "cadence", "steps/min", lo=0),
            field("stride_length_m", F, "stride length", "m", lo=0),
            field("stride_duration_s", F, "stride duration", "s", lo=0),
            field("walking_speed_mps", F, "walking speed", "m/s", lo=0),
        ),
    ),
    Topic(
        "performance_tests",
        "Performance tests in the clinic.",
        "test_id",
        (
            field("test_id!", S, "test"),
            PATIENT,
            CLINIC,
            field("performed_at!", T, "when"),
            field(
                "test!",
                S,
                "which test",
                closed=(
                    "six_minute_walk",
                    "timed_up_and_go",
                    "five_sit_to_stand",
                    "stair_climb_1_min",
                    "fifty_foot_walk",
                    "gait_speed_4_m",
                    "lumbar_flexion_rom",
                ),
            ),
            field(
                "value",
                F,
                "result, in the test's unit (m, s, s, steps, s, m/s, deg); null = not done",
                lo=0,
            ),
            field("is_assisted", B, "walking aid or help"),
        ),
    ),
)
