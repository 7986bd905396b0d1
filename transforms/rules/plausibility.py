"""What can't be true though it is well formed: records held against their rules.

Here: `judged` makes null what can't be true, `listed` says what that was. Not here: which fields are
judged (plausible_fields.py), the rules (plausibility_rules.py), what a patient's records are held
against (life_bounds.py), series (plausible_series.py), values of walking bouts (series/mobility.py), and
when this runs (core.py).

A field that can't be true is null for every rule, the rest of the record counts. What lies after a
death contradicts it: such a record is set aside whole until one of the two is corrected. An adverse
event is never changed by a death. Rules run in order, each on what those before it left, so that a
wrong start makes no end wrong.
"""

import polars as pl

from ..options import Options
from ..schemas import TIMESTAMP, TOPIC_BY_NAME
from ..schemas.core import CORE_RECORDS, IMPLAUSIBLE
from .plausibility_rules import Rule, nullable_fields, rules
from .plausible_fields import COMMON, fields_of


def as_sent(topic: str) -> str:
    """SQL for the records of `core.TOPIC` of which a rule made something null, or that may lie
    after a death, with the fields as they were sent. Copies of an event landed later are among
    them.
    """
    fields = nullable_fields(topic)
    if not fields:
        return f'SELECT * FROM core."{topic}" WHERE false'
    sent = {field: f'sent."{field}"' for field in fields}
    gone = {field: f'here."{field}" IS NULL' for field in fields} | {
        "recorded_at": "NOT here.is_recorded_at_given"
    }
    lost = " OR ".join(f'({gone[field]} AND sent."{field}" IS NOT NULL)' for field in fields)
    if any(not rule.is_nulled for rule in rules(topic, options=Options())):
        lost += " OR here.patient_id IN (SELECT patient_id FROM core.patient_status WHERE status = 'died')"
    columns = ", ".join(
        sent.get(name, f'here."{name}"') + f' AS "{name}"' for name in CORE_RECORDS[topic].names
    )
    return f"""SELECT {columns} FROM core."{topic}" AS here JOIN (
        SELECT "source", event_id, ingested_at, {", ".join(f'"{f}"' for f in fields if f not in _JOINED)}
        FROM raw."{topic}"
    ) AS sent USING ("source", event_id, ingested_at) WHERE {lost}"""


_JOINED = ("source", "event_id", "ingested_at")


def judged(
    topic: str, frame: pl.DataFrame, *, people: pl.DataFrame | None, options: Options
) -> pl.DataFrame:
    """Rows of `core.TOPIC` with what can't be true made null, and `is_set_aside` where the table
    has it.

    `people`: of the function above; None where no rule needs it.
    """
    frame = _own_recording(frame)
    result = _judge(topic, frame, people=people, options=options)[0].select(frame.columns)
    if "recorded_at" not in frame.columns:
        return result
    given = pl.col("is_recorded_at_given") & pl.col("recorded_at").is_not_null()
    return result.with_columns(pl.coalesce("recorded_at", "event_time"), is_recorded_at_given=given)


def _own_recording(frame: pl.DataFrame) -> pl.DataFrame:
    """`recorded_at` where it was sent: elsewhere it is the event's time, which is judged by
    itself.
    """
    if "recorded_at" not in frame.columns:
        return frame
    return frame.with_columns(pl.when("is_recorded_at_given").then("recorded_at"))


def listed(
    topic: str, frame: pl.DataFrame, *, people: pl.DataFrame | None, options: Options
) -> pl.DataFrame:
    """Rows of `core.implausible` of records as they were sent (rows of `core.TOPIC` before
    `judged`).
    """
    parts = [
        _finding(rule, rows)
        for rule, rows in _judge(topic, frame, people=people, options=options)[1]
    ]
    return pl.concat([IMPLAUSIBLE.empty(), *parts]).unique(
        IMPLAUSIBLE.key, keep="any", maintain_order=True
    )


def _judge(topic: str, frame: pl.DataFrame, *, people: pl.DataFrame | None, options: Options):
    """The frame as the rules leave it, and (rule, rows that broke it) of each rule that some row
    broke.
    """
    frame = _among(CORE_RECORDS[topic].conform(frame), people)
    findings = []
    for rule in rules(topic, options=options):
        is_broken = frame.select(rule.condition.fill_null(False).alias("broken"))["broken"]
        if is_broken.any():
            findings.append((rule, frame.filter(is_broken)))
            frame = _without(rule, frame.with_columns(_broken=is_broken)).drop("_broken")
    return frame, findings


_LIFE = {
    "_birth_year": pl.Int64,
    "_enrolled_on": pl.Date,
    "_died_on": pl.Date,
    "_dead_from": TIMESTAMP,
}


def _among(frame: pl.DataFrame, people: pl.DataFrame | None) -> pl.DataFrame:
    if people is None or "patient_id" not in frame.columns:
        return frame.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in _LIFE.items())
    return frame.join(
        people.select("patient_id", *_LIFE), on="patient_id", how="left", maintain_order="left"
    )


def _without(rule: Rule, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame without what the rule's broken rows say; a record that is set aside has no moment
    of its own left.
    """
    is_whole = rule.sets_aside and "is_set_aside" in frame.columns and rule.topic != "patients"
    lost = [rule.field] if rule.is_nulled else []
    if is_whole and rule.is_nulled:
        lost = [field for field in fields_of(rule.topic) if field not in COMMON]
    frame = frame.with_columns(
        pl.when(~pl.col("_broken")).then(pl.col(field)).alias(field) for field in lost
    )
    if is_whole:
        frame = frame.with_columns(
            is_set_aside=pl.col("is_set_aside").fill_null(False) | pl.col("_broken")
        )
    return frame


def _finding(rule: Rule, rows: pl.DataFrame) -> pl.DataFrame:
    topic = TOPIC_BY_NAME[rule.topic]
    death = pl.col("status") == "died" if rule.topic == "patient_status" else pl.lit(False)
    against = pl.lit(None, pl.String)
    if rule.against is not None:
        against = pl.format(
            "{} {}", pl.lit(rule.against.strip("_")), pl.col(rule.against).cast(pl.String)
        )
    optional = {
        c: pl.col(c) if c in rows.columns else pl.lit(None, pl.String)
        for c in ("clinic_id", "patient_id")
    }
    frame = rows.select(
        pl.lit(rule.topic).alias("table"),
        pl.lit(rule.field).alias("field"),
        pl.lit(rule.name).alias("rule"),
        pl.col(topic.record_id).alias("record_id"),
        pl.lit(rule.sentence).alias("sentence"),
        pl.col(rule.field).cast(pl.String).alias("found"),
        against.alias("against"),
        "event_id",
        "source",
        "ingested_at",
        **{c: e for c, e in optional.items() if c != topic.record_id},
        is_safety=pl.lit(topic.is_safety) | death,
        is_contradiction=pl.lit(rule.sets_aside),
        is_set_aside=pl.lit(rule.sets_aside and rule.topic != "patients"),
    )
    if topic.record_id in optional:
        frame = frame.with_columns(pl.col("record_id").alias(topic.record_id))
    return IMPLAUSIBLE.conform(frame)
