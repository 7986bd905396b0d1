"""The SQL that turns wearable series into one row a patient, device and local day.

Here: `ACTIVITY_DAYS_SQL`, read from top to bottom, and `people`, the relation that it joins.
Not here: who runs it (the lake), valid days and weeks (rules/wear.py), walking bouts (mobility.py).

A year of minutes of a thousand patients is half a billion samples, so a sample is looked at by
itself only where it must be. A window over the series (one row an event, no samples) finds those
that share a minute with another of their patient, device and metric, or are finer than a minute:
these are unnested and resolved sample by sample. All others are split at local midnights and summed
as lists.
"""

from ..facts.measurements import CADENCE_BANDS_SPM, DAY_VALUES, DayValue
from ..records.current import LATER_EVENT_FIRST, POSITION, later_copies
from ..records.retractions import retracted
from ..schemas.core import ACTIVITY_DAYS
from .scans import of_known
from .wearable_day import day_sql, midnight_us_sql, zone_sql

_MAX_SPAN_S = 366 * 86_400

# Wear by heart rate: a sample tells its minute and, in a slower series, its interval, of which at
# most this (a proposal: otherwise no day of a device that gives a value a quarter of an hour could
# ever be valid).
_HEART_RATE_TELLS_MIN = 15
_TOLD_MIN = f"CASE WHEN metric = 'heart_rate' THEN greatest(1, least({_HEART_RATE_TELLS_MIN}, interval_s // 60)) ELSE 1 END"

# A heart rate that a worn sensor can give, both ends excluded: 0 and 255 (0xFF) are what a sensor
# says that sees no skin, the slowest hearts on record beat 25 to 28 times a minute, the fastest
# about 250 (a proposal).
BEATS_PER_MIN = (25, 250)
# So many samples of a day, all of one value, are of a sensor that lies somewhere; so many without
# one beat say that a device that calls itself worn is not (a proposal).
PULSELESS_SAMPLES = 30


def _is_beat(value: str) -> str:
    low, high = BEATS_PER_MIN
    return f"{value} > {low} AND {value} < {high}"


_EVENTS = f"""
known AS MATERIALIZED (
    SELECT recorded_id, of_device, of_source, device_as, from_us, until_us, tolerance_us, patient_id AS counts_as,
        CASE WHEN timezone IN (SELECT name FROM pg_timezone_names()) THEN timezone END AS timezone, moves
    FROM people
),
{later_copies("readings")},
{retracted("readings")},
landed AS NOT MATERIALIZED (
    SELECT {POSITION}, least(event_time, ingested_at) AS event_time, ingested_at,
        counts_as AS patient_id, coalesce(device_as, device_id, '') AS device_id,
        metric, "values", len("values") AS sent, interval_s, {zone_sql("epoch_us(started_at)")} AS zone,
        CAST(started_utc_offset_min AS BIGINT) AS offset_min,
        epoch_us(started_at) AS start_us,
        least(epoch_us(ingested_at) + tolerance_us, until_us - 1) AS limit_us,
        CAST({_TOLD_MIN} AS BIGINT) AS told_min
    FROM ({of_known("raw.readings", "patient_id", among="known")}) AS readings
    JOIN known ON recorded_id = patient_id
        AND (of_source IS NULL OR (of_source = "source" AND of_device = coalesce(device_id, '')))
    ANTI JOIN copies USING ({POSITION}) ANTI JOIN retracted USING ({POSITION})
    WHERE metric <> 'other' AND (metric <> 'step_count' OR interval_s < 86400)
        AND len("values") > 0 AND (len("values") - 1) * interval_s <= {_MAX_SPAN_S}
        AND epoch_us(started_at) >= from_us
),
dated AS NOT MATERIALIZED (
    SELECT * EXCLUDE (zone), CASE WHEN zone IN (SELECT name FROM pg_timezone_names()) THEN zone END AS timezone
    FROM landed WHERE offset_min IS NOT NULL OR zone IN (SELECT name FROM pg_timezone_names())
),
timely AS NOT MATERIALIZED (
    SELECT *, CASE WHEN start_us + CAST(round((sent - 1) * interval_s * 1e6) AS BIGINT) <= limit_us THEN sent
        ELSE 1 + CAST(floor((limit_us - start_us) / greatest(interval_s * 1e6, 1)) AS BIGINT) END AS n
    FROM dated WHERE start_us <= limit_us
),
series AS NOT MATERIALIZED (
    SELECT *, start_us + CAST(round((n - 1) * interval_s * 1e6) AS BIGINT) AS last_us FROM timely
)"""

# Series with a minute in common with another, and series of several samples a minute. A hash in
# place of the three names makes the sort short; where two of them collide, some series are looked
# at sample by sample without need.
_ENTANGLED = f"""
entangled AS MATERIALIZED (
    SELECT {POSITION} FROM series
    WINDOW one_series AS (PARTITION BY hash(patient_id, device_id, metric) ORDER BY start_us)
    QUALIFY (n > 1 AND interval_s < 60)
        OR coalesce(start_us // 60000000 <= max(last_us // 60000000 + told_min - 1)
            OVER (one_series ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), false)
        OR coalesce(last_us // 60000000 + told_min - 1 >= lead(start_us // 60000000) OVER one_series, false)
)"""


def _samples_before(day: str) -> str:
    """How many of a series' samples lie before that local day."""
    return f"CAST(greatest(0, ceil((({midnight_us_sql(day)}) - start_us) / (interval_s * 1e6))) AS BIGINT)"


_PIECES = f"""
alone AS NOT MATERIALIZED (
    SELECT *, {day_sql("start_us")} AS first_day, {day_sql("last_us")} AS last_day
    FROM series ANTI JOIN entangled USING ({POSITION})
),
split AS NOT MATERIALIZED (
    SELECT *, first_day + CAST(unnest(range(1 + last_day - first_day)) AS INTEGER) AS day FROM alone
),
cut AS NOT MATERIALIZED (
    SELECT * EXCLUDE ("values"), CASE WHEN first_day = last_day AND n = sent THEN "values"
        ELSE list_slice("values", {_samples_before("day")} + 1, least(n, {_samples_before("day + 1")})) END AS measured
    FROM split
),
felt AS NOT MATERIALIZED (
    SELECT *, CASE WHEN metric = 'heart_rate' THEN list_min(measured) END AS lowest,
        CASE WHEN metric = 'heart_rate' THEN list_max(measured) END AS highest FROM cut
),
pieces AS NOT MATERIALIZED (
    SELECT * EXCLUDE (lowest, highest), CASE WHEN lowest <= {BEATS_PER_MIN[0]} OR highest >= {BEATS_PER_MIN[1]}
        THEN list_filter(measured, lambda bpm: {_is_beat("bpm")}) ELSE measured END AS piece,
        CASE WHEN lowest > {BEATS_PER_MIN[0]} AND highest < {BEATS_PER_MIN[1]} THEN lowest
            WHEN lowest IS NOT NULL THEN list_min(list_filter(measured, lambda bpm: {_is_beat("bpm")})) END AS lowest,
        CASE WHEN lowest > {BEATS_PER_MIN[0]} AND highest < {BEATS_PER_MIN[1]} THEN highest
            WHEN lowest IS NOT NULL THEN list_max(list_filter(measured, lambda bpm: {_is_beat("bpm")})) END AS highest
    FROM felt
)"""

_SAMPLES = f"""
unnested AS NOT MATERIALIZED (
    SELECT * EXCLUDE ("values"), unnest("values"[1:n]) AS value, unnest(range(n)) AS k
    FROM series SEMI JOIN entangled USING ({POSITION})
),
samples AS MATERIALIZED (
    SELECT *, {day_sql("at_us")} AS day, at_us // 60000000 AS minute,
        metric <> 'heart_rate' OR ({_is_beat("value")}) AS counts
    FROM (SELECT *, start_us + CAST(round(k * interval_s * 1e6) AS BIGINT) AS at_us FROM unnested
          QUALIFY row_number() OVER (PARTITION BY patient_id, device_id, metric, at_us
              ORDER BY {LATER_EVENT_FIRST}) = 1)
    WHERE value IS NOT NULL
)"""

_FINE = "interval_s > 0 AND interval_s <= 60"
_IS_FINE = f"(metric <> 'step_count' OR ({_FINE}))"
_LATEST = "max(struct_pack(at := event_time, event_id := event_id))"

_LARGEST = ", ".join(
    f"'{metric}'"
    for metric in ("daily_step_count", *(v.metric for v in DAY_VALUES if v.statistic == "largest"))
)

# One row a patient, device, day and metric; steps apart for samples of a minute or less and longer
# ones.
_PARTS = f"""
parts AS NOT MATERIALIZED (
    SELECT patient_id, device_id, day, metric, {_IS_FINE} AS is_fine, bool_or(offset_min IS NULL) AS is_assumed,
        sum(list_count(measured)) AS seen, min(lowest) AS lowest, max(highest) AS highest,
        sum(list_count(piece)) AS n, sum(list_sum(piece)) AS total,
        max(CASE WHEN metric IN ({_LARGEST}) THEN list_max(piece) END) AS largest,
        sum(list_count(piece) * told_min) AS minutes,
        sum(list_sum(piece) * interval_s) FILTER (metric = 'worn') AS worn_s, {_LATEST} AS latest
    FROM pieces WHERE list_count(measured) > 0 GROUP BY patient_id, device_id, day, metric, is_fine
    UNION ALL
    SELECT patient_id, device_id, day, metric, {_IS_FINE} AS is_fine, bool_or(offset_min IS NULL), count(*),
        min(value) FILTER (metric = 'heart_rate' AND counts), max(value) FILTER (metric = 'heart_rate' AND counts),
        count(*) FILTER (counts), sum(value) FILTER (counts), max(value), count(DISTINCT minute) FILTER (metric <> 'heart_rate'),
        sum(value * interval_s), {_LATEST}
    FROM samples GROUP BY patient_id, device_id, day, metric, is_fine
    UNION ALL
    SELECT patient_id, device_id, day, 'heart_rate', true, NULL, 0, NULL, NULL, 0, NULL, NULL, count(DISTINCT minute),
        NULL, NULL
    FROM (SELECT patient_id, device_id, day, minute + unnest(range(told_min)) AS minute
          FROM samples WHERE metric = 'heart_rate' AND counts)
    GROUP BY patient_id, device_id, day
)"""

# Minutes without a step need no row: they are what is left of the minutes recorded.
_MINUTES = f"""
walked AS NOT MATERIALIZED (
    SELECT patient_id, device_id, day, unnest(list_filter(piece, lambda steps: steps > 0)) AS steps
    FROM pieces WHERE metric = 'step_count' AND {_FINE}
    UNION ALL
    SELECT patient_id, device_id, day, sum(value) FROM samples
    WHERE metric = 'step_count' AND {_FINE} GROUP BY patient_id, device_id, day, minute HAVING sum(value) > 0
)"""


_BANDS = {band: limits for band, limits in CADENCE_BANDS_SPM.items() if limits[0] > 0}


def _within(low: float, high: float | None) -> str:
    below = "" if high is None else f" AND steps < {high}"
    return f"count(*) FILTER (steps >= {low}{below})"


_COUNTS = ", ".join(
    f"{_within(low, high)} AS walked_{band}" for band, (low, high) in _BANDS.items()
)

_CADENCE = f"""
cadence AS NOT MATERIALIZED (
    SELECT patient_id, device_id, day, {_within(1, None)} AS moving, {_COUNTS},
        {_within(100, None)} AS walked_mvpa, {_within(130, None)} AS walked_vigorous,
        list_reverse_sort(max(steps, 60)) AS highest
    FROM walked GROUP BY patient_id, device_id, day
)"""


def _of_day(value: DayValue) -> str:
    own = f"FILTER (metric = '{value.metric}')"
    amount = {
        "mean": f"sum(total) {own} / sum(n) {own}",
        "sum": f"sum(total) {own}",
        "largest": f"max(largest) {own}",
    }[value.statistic]
    return f"CASE WHEN NOT is_pulseless THEN {amount} END" if value.is_of_heart else amount


_DAY_VALUES = ", ".join(f"{_of_day(value)} AS {value.column}" for value in DAY_VALUES)
_DAYS = f"""
days AS NOT MATERIALIZED (
    SELECT patient_id, device_id, day, bool_or(is_assumed) AS is_timezone_assumed,
        sum(minutes) FILTER (metric = 'step_count' AND is_fine) AS fine_minutes,
        coalesce(bool_or(metric = 'step_count' AND NOT is_fine), false) AS has_coarse_steps,
        sum(worn_s) FILTER (metric = 'worn') / 60 AS worn_minutes,
        sum(minutes) FILTER (metric = 'heart_rate') AS beat_minutes,
        sum(seen) FILTER (metric = 'heart_rate') AS heart_samples, sum(n) FILTER (metric = 'heart_rate') AS beats,
        min(lowest) = max(highest) AND beats >= {PULSELESS_SAMPLES} AS is_flat,
        coalesce(is_flat, false) OR (beats = 0 AND heart_samples > 0) AS is_pulseless,
        CASE WHEN is_pulseless THEN 0 ELSE beat_minutes END AS heart_minutes,
        sum(total) FILTER (metric = 'step_count') AS steps,
        max(largest) FILTER (metric = 'daily_step_count') AS vendor_steps,
        {_DAY_VALUES},
        sum(seen) AS samples, max(latest).event_id AS last_event_id
    FROM parts GROUP BY patient_id, device_id, day
),
zones AS (SELECT counts_as AS patient_id, any_value(timezone) AS timezone FROM known GROUP BY counts_as),
measured AS (
    SELECT *, CASE WHEN NOT has_coarse_steps THEN fine_minutes END AS recorded_minutes,
        epoch(timezone(timezone, CAST(day + 1 AS TIMESTAMP)) - timezone(timezone, CAST(day AS TIMESTAMP))) / 3600
            AS day_length_h
    FROM days LEFT JOIN cadence USING (patient_id, device_id, day) LEFT JOIN zones USING (patient_id)
)"""


def _of_recorded(expression: str) -> str:
    """A cadence column: null where no minute was recorded, or longer intervals too; 0 where nobody
    walked.
    """
    return f"CASE WHEN recorded_minutes IS NOT NULL THEN coalesce({expression}, 0) END"


# A device that calls itself worn, whose heart rate of that day is no heart's, is not worn.
_IS_DENIED = f"is_pulseless AND heart_samples >= {PULSELESS_SAMPLES}"
_COMPUTED = {
    # `least` skips a null: without the condition an unknown wear would become a whole day
    "wear_minutes": f"CASE WHEN {_IS_DENIED} THEN 0 WHEN worn_minutes IS NOT NULL OR heart_minutes IS NOT NULL "
    "THEN least(coalesce(worn_minutes, heart_minutes), coalesce(day_length_h, 24) * 60) END",
    "wear_source": f"CASE WHEN {_IS_DENIED} THEN 'heart_rate' WHEN worn_minutes IS NOT NULL THEN 'worn' "
    "WHEN heart_minutes IS NOT NULL THEN 'heart_rate' END",
    "minutes_0_spm": "recorded_minutes - coalesce(moving, 0)",
    **{f"minutes_{band}_spm": _of_recorded(f"walked_{band}") for band in _BANDS},
    "mvpa_minutes": _of_recorded("walked_mvpa"),
    "vigorous_minutes": _of_recorded("walked_vigorous"),
    **{f"peak_{n}_spm": _of_recorded(f"list_sum(highest[1:{n}]) / {n}") for n in (1, 30, 60)},
}
_COLUMNS = [
    f"CAST({_COMPUTED.get(c.name, c.name)} AS {c.duckdb}) AS {c.name}"
    for c in ACTIVITY_DAYS.columns
]

ACTIVITY_DAYS_SQL = f"""
WITH {", ".join((_EVENTS, _ENTANGLED, _PIECES, _SAMPLES, _PARTS, _MINUTES, _CADENCE, _DAYS))}
SELECT {", ".join(_COLUMNS)} FROM measured
"""
