"""Sessions as a cause of alerts: no clearance, a contraindication, a limit exceeded, a device that is out of use.

Here: judged sessions -> causes. Not here: the judgement itself (judged_sessions.py), how a device is (devices.py).
"""

import polars as pl

from ..options import Options
from .causes import causes
from .rules import LIMITS, Floor, LimitRule


def of_sessions(judged: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """The causes of sessions that began; `judged`: of `judged_sessions.judged`, with `day`."""
    begun = judged.filter("is_begun").with_columns(
        cabin_max_c=pl.max_horizontal("cabin_max_measured_c", "CABMINC"),
        sessions_in_week=pl.col("sessions_in_week").cast(pl.Float64),
    )
    limits = (_beyond(begun, limit, options=options) for limit in LIMITS)
    return pl.concat([_not_cleared(begun), _contraindicated(begun), *limits])


def _not_cleared(begun: pl.DataFrame) -> pl.DataFrame:
    """Of a session without a start nothing is said: when it was is not known, and another alert says so."""
    started = begun.filter(pl.col("started_at").is_not_null(), ~pl.col("is_cleared").fill_null(False))
    unknown = pl.col("may_be_cleared")
    return _of_session(
        "session_without_clearance",
        started,
        tier=pl.when(unknown).then(pl.lit("noted")).otherwise(pl.lit("now")),
        finding=pl.when(unknown)
        .then(pl.lit("it is not known whether the consult that clears it was recorded by the start"))
        .otherwise(pl.lit("no consult that was known at the start clears it")),
    )


def _contraindicated(begun: pl.DataFrame) -> pl.DataFrame:
    return _of_session(
        "session_contraindicated",
        begun.filter(pl.col("is_contraindicated").fill_null(False)),
        finding=pl.lit("the latest consult or the session's screening names a contraindication"),
    )


def _beyond(begun: pl.DataFrame, limit: LimitRule, *, options: Options) -> pl.DataFrame:
    """The sessions beyond the protocol's limit, or at one of the product's floors, each with the gravest tier."""
    value, allowed = pl.col(limit.measured), pl.col(limit.limit)
    excess = allowed - value if limit.is_lowest else value - allowed
    is_beyond = pl.col(limit.flag).eq_missing("Y")
    # floats: -111.0 lies one kelvin below -110.0, not a rounding error more
    is_clear = is_beyond & (excess.round(6) > limit.margin)
    floors = [(_at(value, floor, options=options), floor.tier) for floor in limit.floors]
    ranked = sorted([(is_clear, limit.rule.tier), *floors], key=lambda pair: pair[1] != "now")
    tier = pl.lit("noted")
    for condition, name in reversed(ranked):
        tier = pl.when(condition.fill_null(False)).then(pl.lit(name)).otherwise(tier)
    found = begun.filter(is_beyond | pl.any_horizontal(pl.lit(False), *(condition for condition, _ in floors)))
    shown = pl.format("{} {}", value.round(2), pl.lit(limit.unit))
    beyond = pl.when(is_beyond).then(pl.format(", {} allowed", allowed)).otherwise(pl.lit(""))
    return _of_session(limit.rule.id, found, tier=tier, finding=shown + beyond)


def _at(value: pl.Expr, floor: Floor, *, options: Options) -> pl.Expr:
    edge = getattr(options, floor.value) if isinstance(floor.value, str) else floor.value
    return (value <= edge if floor.is_inclusive else value < edge).fill_null(False)


def _of_session(rule: str, found: pl.DataFrame, **columns: pl.Expr) -> pl.DataFrame:
    return causes(
        rule,
        found,
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


def of_devices_in_use(judged: pl.DataFrame, devices: pl.DataFrame, spells: pl.DataFrame) -> pl.DataFrame:
    """The sessions on a device that was out of use, and the devices in use after their calibration was due.

    A day counts by the session's clock: out of use from `retired_on` on, or, by a person's word (`spells`, of
    `devices.spells`), from `from_on` until the moment of the word that it is back; overdue after `calibration_due_on`.
    """
    register = devices.select("device_id", "retired_on", "calibration_due_on")
    used = judged.filter("is_begun", pl.col("day").is_not_null()).join(register, on="device_id")
    within = used.join(spells.select("device_id", "from_on", "until_at"), on="device_id").filter(
        pl.col("day") >= pl.col("from_on"), (pl.col("started_at") < pl.col("until_at")).fill_null(True)
    )
    by_word = within.group_by("session_id").agg(_from=pl.col("from_on").min())
    out = used.join(by_word, on="session_id", how="left", maintain_order="left").with_columns(
        _from=pl.min_horizontal("_from", pl.when(pl.col("day") >= pl.col("retired_on")).then("retired_on"))
    )
    retired = _of_session(
        "device_retired_in_use",
        out.filter(pl.col("_from").is_not_null()),
        finding=pl.format("out of use since {}", "_from"),
    )
    overdue = used.filter(pl.col("day") > pl.col("calibration_due_on")).sort("started_at", "session_id")
    first = overdue.group_by("device_id", "calibration_due_on", maintain_order=True).agg(
        pl.col("clinic_id", "started_at", "ingested_at").first(), evidence=pl.col("event_id").head(20), uses=pl.len()
    )
    rule = "device_calibration_overdue"
    return pl.concat(
        [
            retired,
            causes(
                rule,
                first,
                subject_kind="device",
                subject_id=pl.col("device_id"),
                cause=pl.format("due {}", "calibration_due_on"),
                clinic_id=pl.col("clinic_id"),
                device_id=pl.col("device_id"),
                evidence=pl.col("evidence"),
                occurred_at=pl.col("started_at"),
                finding=pl.format("calibration was due on {}; {} sessions since", "calibration_due_on", "uses"),
            ),
        ]
    )
