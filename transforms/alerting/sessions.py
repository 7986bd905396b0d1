"""Sessions as a cause of alerts: no clearance, a contraindication, a limit exceeded, a device that
is out of use.

Here: judged sessions -> causes. Not here: which sessions began and how they are judged (begun.py),
how a device is (devices.py).
"""

import polars as pl

from ..facts.limits import LIMITS, Floor, Limit
from ..options import Options
from .causes import causes

_MOST_DOUBLINGS = 8  # news.py counts ten levels a tier


def of_sessions(judged: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """The causes of sessions that began; `judged`: of `begun.judged_sessions`."""
    begun = judged.filter("is_begun").with_columns(
        cabin_max_c=pl.max_horizontal("cabin_max_measured_c", "CABMINC"),
        sessions_in_week=pl.col("sessions_in_week").cast(pl.Float64),
    )
    limits = (_beyond(begun, limit, options=options) for limit in LIMITS.values())
    return pl.concat([_not_cleared(begun), _contraindicated(begun), *limits])


def with_device(judged: pl.DataFrame, by_series: pl.DataFrame) -> pl.DataFrame:
    """The sessions, on the device whose series name it where they name none themselves, and it is
    one (BY_SERIES).
    """
    n_devices = pl.len().over("session_id")
    single = by_series.filter(n_devices == 1).select("session_id", _device="device_id")
    frame = judged.join(single, on="session_id", how="left", maintain_order="left")
    return frame.with_columns(device_id=pl.coalesce("device_id", "_device")).drop("_device")


def _not_cleared(begun: pl.DataFrame) -> pl.DataFrame:
    started = begun.filter(~pl.col("is_cleared").fill_null(False))
    unknown = pl.col("may_be_cleared")
    return _of_session(
        "session_without_clearance",
        started,
        tier=pl.when(unknown).then(pl.lit("noted")).otherwise(pl.lit("now")),
        finding=pl.when(unknown)
        .then(
            pl.lit("it is not known whether the consult that clears it was recorded by the start")
        )
        .otherwise(pl.lit("no consult that was known at the start clears it")),
    )


def _contraindicated(begun: pl.DataFrame) -> pl.DataFrame:
    return _of_session(
        "session_contraindicated",
        begun.filter(pl.col("is_contraindicated").fill_null(False)),
        finding=pl.lit("the latest consult or the session's screening names a contraindication"),
    )


def _beyond(begun: pl.DataFrame, limit: Limit, *, options: Options) -> pl.DataFrame:
    """The sessions beyond the protocol's limit, or at one of the product's floors, each with the
    gravest tier. It is graver, so that it is told again, with each doubling of the margin (of no
    margin: of one unit).
    """
    value, allowed = pl.col(limit.measured), pl.col(limit.column)
    excess = allowed - value if limit.is_lowest else value - allowed
    is_beyond = pl.col(limit.flag).eq_missing("Y")
    # floats: -111.0 lies one kelvin below -110.0, not a rounding error more
    is_clear = is_beyond & (excess.round(6) > limit.alert.margin)
    floors = [(_at(value, floor, options=options), floor.tier) for floor in limit.alert.floors]
    below = (_edge(floor, options=options) - value for floor in limit.alert.floors)
    depth = pl.max_horizontal(pl.when(is_beyond).then(excess), *below)
    ranked = sorted([(is_clear, limit.alert.tier), *floors], key=lambda pair: pair[1] != "now")
    tier = pl.lit("noted")
    for condition, name in reversed(ranked):
        tier = pl.when(condition.fill_null(False)).then(pl.lit(name)).otherwise(tier)
    breaches = begun.filter(
        is_beyond | pl.any_horizontal(pl.lit(False), *(condition for condition, _ in floors))
    )
    shown = pl.format("{} {}", value.round(2), pl.lit(limit.unit))
    beyond = pl.when(is_beyond).then(pl.format(", {} allowed", allowed)).otherwise(pl.lit(""))
    level = 1 + _doublings(depth, unit=limit.alert.margin or 1.0)
    return _of_session(limit.alert.id, breaches, tier=tier, level=level, finding=shown + beyond)


def _doublings(depth: pl.Expr, *, unit: float) -> pl.Expr:
    """How often the unit was doubled to reach the depth, at most so often that a level stays below
    the next tier's.
    """
    times = (depth / unit).clip(lower_bound=1.0).log(2).round(9).floor()
    return times.clip(upper_bound=_MOST_DOUBLINGS).fill_null(0)


def _edge(floor: Floor, *, options: Options) -> float:
    if not isinstance(floor.value, str):
        return floor.value
    return getattr(options, floor.value)


def _at(value: pl.Expr, floor: Floor, *, options: Options) -> pl.Expr:
    edge = _edge(floor, options=options)
    return (value <= edge if floor.is_inclusive else value < edge).fill_null(False)


def _of_session(rule: str, rows: pl.DataFrame, **columns: pl.Expr) -> pl.DataFrame:
    return causes(
        rule,
        rows,
        subject_kind="session",
        **{
            "subject_id": pl.col("session_id"),
            "clinic_id": pl.col("clinic_id"),
            "patient_id": pl.col("patient_id"),
            "device_id": pl.col("device_id"),
            "occurred_at": pl.coalesce("started_at", "event_time"),
            **columns,
        },
    )


def of_contradictions(judged: pl.DataFrame) -> pl.DataFrame:
    """The sessions that are said not to have been held, and have measurements all the same."""
    return causes(
        "contradiction",
        judged.filter("is_contradicting"),
        subject_kind="record",
        subject_id=pl.format("sessions/{}", "session_id"),
        cause=pl.lit("status measured"),
        clinic_id=pl.col("clinic_id"),
        patient_id=pl.col("patient_id"),
        occurred_at=pl.coalesce("started_at", "event_time"),
        finding=pl.format(
            "the session is said to be {}, and something was measured in it",
            pl.coalesce("status_raw", "status"),
        ),
    )


def of_devices_in_use(
    judged: pl.DataFrame, devices: pl.DataFrame, spells: pl.DataFrame, by_series: pl.DataFrame
) -> pl.DataFrame:
    """The sessions on a device that was out of use, and the devices in use after their calibration
    was due.

    A session is on the device that it names and on those whose series name it (`by_series`:
    BY_SERIES). A day counts by the session's clock: out of use from `retired_on` on, or, by a
    person's word (`spells`, of `devices.spells`), from `from_on` until the moment of the word that
    it is back; overdue after `calibration_due_on`.
    """
    register = devices.select("device_id", "retired_on", "calibration_due_on")
    begun = judged.filter("is_begun")
    used = _uses(begun, by_series).join(register, on="device_id", maintain_order="left")
    return pl.concat([_retired(used, spells), _overdue(used)])


def _uses(begun: pl.DataFrame, by_series: pl.DataFrame) -> pl.DataFrame:
    """One row per session and device, the session's own first."""
    own = begun.filter(pl.col("device_id").is_not_null())
    others = (
        begun.drop("device_id")
        .join(by_series, on="session_id", maintain_order="left_right")
        .select(own.columns)
    )
    return pl.concat([own, others]).unique(
        ["session_id", "device_id"], keep="first", maintain_order=True
    )


def _retired(used: pl.DataFrame, spells: pl.DataFrame) -> pl.DataFrame:
    """One alert a session, of the first of its devices that was out of use."""
    by = ["session_id", "device_id"]
    within = used.join(spells.select("device_id", "from_on", "until_at"), on="device_id").filter(
        pl.col("judged_on") >= pl.col("from_on"),
        (pl.col("judged_at") < pl.col("until_at")).fill_null(True),
    )
    by_word = within.group_by(by).agg(_from=pl.col("from_on").min())
    by_register = pl.when(pl.col("judged_on") >= pl.col("retired_on")).then("retired_on")
    out = used.join(by_word, on=by, how="left", maintain_order="left").with_columns(
        _from=pl.min_horizontal("_from", by_register)
    )
    out = out.filter(pl.col("_from").is_not_null()).unique(
        "session_id", keep="first", maintain_order=True
    )
    return _of_session(
        "device_retired_in_use", out, finding=pl.format("out of use since {}", "_from")
    )


def _overdue(used: pl.DataFrame) -> pl.DataFrame:
    overdue = used.filter(pl.col("judged_on") > pl.col("calibration_due_on")).sort(
        "judged_at", "session_id"
    )
    first = overdue.group_by("device_id", "calibration_due_on", maintain_order=True).agg(
        pl.col("clinic_id", "started_at", "ingested_at").first(),
        evidence=pl.col("event_id").head(20),
        uses=pl.len(),
    )
    return causes(
        "device_calibration_overdue",
        first,
        subject_kind="device",
        subject_id=pl.col("device_id"),
        cause=pl.format("due {}", "calibration_due_on"),
        clinic_id=pl.col("clinic_id"),
        device_id=pl.col("device_id"),
        evidence=pl.col("evidence"),
        occurred_at=pl.col("started_at"),
        finding=pl.format(
            "calibration was due on {}; {} sessions since", "calibration_due_on", "uses"
        ),
    )
