"""The SQL that turns the devices' series into one row a session: what the device itself measured.

Here: `TELEMETRY_SESSIONS_SQL` and the sessions that it joins. Not here: the limits of a protocol
(marts/adex.py) and who runs it (the lake).

Of an event that landed twice the first landed counts, of two samples of one session, device,
signal, site and instant the one in the later event (`time`, then landing); what was taken back does
not. A series whose clock is wrong (its start lies years back, or its samples after they were
landed) still says how cold it was, and how little oxygen there was; when, it does not. Exposure
runs from the session's start for `duration_s`; where that is not known the figures that need it are
null.
"""

from ..records.current import LATER_EVENT_FIRST, POSITION, later_copies
from ..records.retractions import retracted
from ..schemas.core import TELEMETRY_SESSIONS
from .scans import of_known

# Rewarmed: back within this of the temperature before the session (a proposal, not validated).
REWARMED_WITHIN_K = 1
# The dose counts what the cabin is colder than this (a proposal, not validated).
DOSE_REFERENCE_C = 0
# Without samples for this share of the exposure there is no dose.
DOSE_MIN_COVERAGE = 0.9
_MAX_SPAN_S = 86_400

_SAMPLES = f"""
{later_copies("telemetry")},
{retracted("telemetry")},
exposed AS MATERIALIZED (
    SELECT recorded_id, of_device, of_clinic, of_source, session_id AS counts_as, from_us, tolerance_us,
        epoch_us(started_at) AS exposed_us,
        epoch_us(started_at) + CAST(duration_s * 1e6 AS BIGINT) AS ended_us, skin_temp_pre_c FROM exposures
),
unnested AS NOT MATERIALIZED (
    SELECT {POSITION}, counts_as AS session_id, device_id, signal, coalesce(site, '') AS site,
        least(event_time, ingested_at) AS event_time, ingested_at, from_us, tolerance_us,
        interval_s, exposed_us, ended_us, skin_temp_pre_c,
        epoch_us(started_at) AS start_us, unnest("values") AS value, unnest(range(len("values"))) AS k
    FROM ({of_known("raw.telemetry", "session_id", among="exposed")}) AS telemetry
    JOIN exposed ON recorded_id = session_id
        AND (of_source IS NULL OR (of_source = "source" AND of_device = device_id
            AND of_clinic = coalesce(clinic_id, '')))
    ANTI JOIN copies USING ({POSITION}) ANTI JOIN retracted USING ({POSITION})
    WHERE signal <> 'other' AND len("values") > 0
        AND (len("values") - 1) * interval_s <= {_MAX_SPAN_S}
),
resolved AS NOT MATERIALIZED (
    SELECT *, start_us + CAST(round(k * interval_s * 1e6) AS BIGINT) AS at_us FROM unnested
    QUALIFY row_number() OVER (PARTITION BY session_id, device_id, signal, site, at_us
        ORDER BY {LATER_EVENT_FIRST}) = 1
),
samples AS MATERIALIZED (
    SELECT *, at_us >= exposed_us AND at_us < ended_us AS is_exposed,
        start_us >= from_us AND at_us <= epoch_us(ingested_at) + tolerance_us AS is_timely
    FROM resolved WHERE value IS NOT NULL
)"""

# The skin of each site against its own value before: its last sample before the session, else the
# session's own.
_REWARMING = f"""
before AS NOT MATERIALIZED (
    SELECT session_id, device_id, site, coalesce(max_by(value, at_us) FILTER (at_us < exposed_us),
        any_value(skin_temp_pre_c)) AS before_c
    FROM samples WHERE signal = 'skin_temp_c' AND is_timely GROUP BY session_id, device_id, site
),
back AS NOT MATERIALIZED (
    SELECT session_id, device_id, site, any_value(ended_us) AS ended_us,
        min(at_us) FILTER (at_us >= ended_us AND value >= before_c - {REWARMED_WITHIN_K}) AS back_us
    FROM samples JOIN before USING (session_id, device_id, site)
    WHERE signal = 'skin_temp_c' AND is_timely GROUP BY session_id, device_id, site
),
rewarmed AS NOT MATERIALIZED (
    SELECT session_id,
        CASE WHEN count(back_us) = count(*) THEN max((back_us - ended_us) / 6e7) END AS skin_rewarming_min
    FROM back GROUP BY session_id
)"""

# A sample stands for the time to the next one, at most its own interval, within the exposure. The
# sum is in their order: else its last digit depends on threads.
_DOSE = f"""
held AS NOT MATERIALIZED (
    SELECT session_id, device_id, site, value, exposed_us, ended_us, greatest(at_us, exposed_us) AS from_us,
        least(ended_us, at_us + interval_s * 1e6, lead(at_us, 1, ended_us)
            OVER (PARTITION BY session_id, device_id, site ORDER BY at_us)) AS to_us
    FROM samples WHERE signal = 'cabin_temp_c' AND is_timely AND exposed_us IS NOT NULL AND ended_us IS NOT NULL
),
cabins AS NOT MATERIALIZED (
    SELECT session_id,
        sum(greatest(0, {DOSE_REFERENCE_C} - value) * (to_us - from_us) / 1e6 ORDER BY from_us, to_us, value) AS dose_k_s
    FROM held WHERE to_us > from_us GROUP BY session_id, device_id, site
    HAVING sum(to_us - from_us) >= {DOSE_MIN_COVERAGE} * any_value(ended_us - exposed_us)
),
doses AS NOT MATERIALIZED (SELECT session_id, max(dose_k_s) AS dose_k_s FROM cabins GROUP BY session_id)"""

_SUMMARY = """
summary AS NOT MATERIALIZED (
    SELECT session_id, min(value) FILTER (signal = 'cabin_temp_c') AS cabin_min_temp_c,
        max(value) FILTER (signal = 'cabin_temp_c' AND is_exposed AND is_timely) AS cabin_max_temp_c,
        min(value) FILTER (signal = 'skin_temp_c') AS skin_min_temp_c,
        max_by(value, (at_us, device_id, site)) FILTER (signal = 'skin_temp_c' AND is_timely) AS skin_last_temp_c,
        min(value) FILTER (signal = 'room_oxygen_pct') AS room_min_oxygen_pct, count(*) AS samples
    FROM samples GROUP BY session_id
)"""

# The relation `exposures` that it joins (`series_things.exposures`) is made of these: the sessions,
# all or some, with the bounds of what a clock can say, `from_us` and `tolerance_us`. Telemetry of
# one not known yet waits for it.
EXPOSURES_SQL = "SELECT session_id, started_at, duration_s, skin_temp_pre_c FROM core.sessions"

_COLUMNS = ", ".join(
    f"CAST({c.name} AS {c.duckdb}) AS {c.name}" for c in TELEMETRY_SESSIONS.columns
)

TELEMETRY_SESSIONS_SQL = f"""
WITH {", ".join((_SAMPLES, _REWARMING, _DOSE, _SUMMARY))}
SELECT {_COLUMNS} FROM summary LEFT JOIN rewarmed USING (session_id) LEFT JOIN doses USING (session_id)
"""
