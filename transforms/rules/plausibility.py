"""What can't be true though it is well formed: rules on every moment and day of every record, as
data.

Here: of each field which rules apply (`FIELDS`), or why none does (`EXEMPT`); what an end must not
lie before (`ORDER`); and two functions that read them: `judged` makes null what can't be true,
`listed` says what that was. Not here: series (their samples are cut in series/activity.py and
series/telemetry.py), values of walking bouts (series/mobility.py), and when this runs (core.py).

A field that can't be true is null for every rule, the rest of the record counts. What lies after a
death contradicts it: such a record is set aside whole until one of the two is corrected. An adverse
event is never changed by a death. Rules run in order, each on what those before it left, so that a
wrong start makes no end wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl

from ..options import Options
from ..schemas import TIMESTAMP, TOPIC_BY_NAME
from ..schemas.core import CORE_RECORDS, IMPLAUSIBLE
from .local_time import clocks, is_zone, with_day_start
from .local_time import with_clock as with_local_clock

# The calendar is at most this far ahead of UTC anywhere.
_EARLIEST_ZONE = timedelta(hours=14)
# A clock that lost its time starts here again, give or take a time zone.
_CLOCK_ZERO = date(1970, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a moment or day is of. `ahead`: it may lie in the future, as far as plans reach;
    `is_history`: it may lie long before devices and records; `is_lived`: the patient was alive and
    is set aside with the record where not; `is_enrolled`: not years before the enrolment;
    `is_born`: not before the birth.
    """

    ahead: bool = False
    is_history: bool = False
    is_lived: bool = False
    is_enrolled: bool = False
    is_born: bool = False


HAPPENED = Kind(
    is_lived=True, is_enrolled=True, is_born=True
)  # in the clinic, or with its device, to a patient
HISTORY = Kind(
    is_history=True, is_lived=True, is_born=True
)  # what patients bring with them: events, surgery, drugs
ENDED = Kind(is_history=True, is_born=True)  # its end, which may be noted when a case is closed
ENROLLED = Kind(is_lived=True, is_born=True)
PLANNED = Kind(ahead=True, is_born=True)  # a plan may outlive the patient
NOTED = Kind()  # paperwork and devices: no patient need be alive for it

FIELDS: dict[tuple[str, str], Kind] = {
    ("devices", "calibrated_on"): NOTED,
    ("devices", "calibration_due_on"): PLANNED,
    ("devices", "retired_on"): PLANNED,
    ("patients", "enrolled_on"): ENROLLED,
    ("patients", "allocated_on"): Kind(is_born=True),
    ("patient_status", "effective_on"): Kind(ahead=True, is_lived=True),
    ("study_enrolments", "from"): PLANNED,
    ("study_enrolments", "to"): PLANNED,
    ("study_enrolments", "allocated_on"): Kind(is_born=True),
    ("consents", "effective_at"): PLANNED,
    ("consults", "occurred_at"): HAPPENED,
    ("consults", "valid_until"): PLANNED,
    ("screenings", "occurred_at"): HAPPENED,
    ("courses", "starts_on"): Kind(ahead=True, is_born=True, is_enrolled=True),
    ("courses", "ends_on"): PLANNED,
    ("sessions", "started_at"): HAPPENED,
    ("walking_bouts", "started_at"): HAPPENED,
    ("performance_tests", "performed_at"): HAPPENED,
    ("responses", "answered_at"): HAPPENED,
    ("adverse_events", "onset_at"): HISTORY,
    ("adverse_events", "resolved_at"): ENDED,
    ("adverse_events", "aware_at"): NOTED,
    ("adverse_events", "reviewed_at"): NOTED,
    ("adverse_events", "reported_at"): NOTED,
    ("deficiencies", "occurred_at"): NOTED,
    ("incidents", "occurred_at"): NOTED,
    ("incidents", "aware_at"): NOTED,
    ("care", "occurred_at"): HISTORY,
    ("care", "ended_at"): Kind(ahead=True, is_history=True, is_born=True),
    ("care", "reported_through"): NOTED,
}
# Of every topic
COMMON: dict[str, Kind] = {"event_time": NOTED, "recorded_at": NOTED}

EXEMPT: dict[tuple[str, str], str] = {
    (
        "protocols",
        "effective_from",
    ): "a version may be in force since ever, or not yet: both only say what it judges",
    ("alerts", "occurred_at"): "Floe writes it, from a moment that is judged where it stands",
    ("alerts", "landed_at"): "Floe writes it, from the ledger of what landed",
    ("alerts", "told_at"): "Floe writes it, by the clock that floe status watches",
    ("alerts", "acknowledged_at"): "Floe writes it, by the clock that floe status watches",
    (
        "alerts",
        "action_due_on",
    ): "what somebody promised of an alert, shown as promised; no figure is made of it",
    ("telemetry", "started_at"): "a series: series/telemetry.py, and `untimely_series` below",
    ("readings", "started_at"): "a series: series/activity.py, and `untimely_series` below",
    ("studies", "masked_until"): "no rule may lift a mask",
    ("retractions", "from"): "takes series back from ever on",
    ("retractions", "to"): "takes series back for good",
}

# Statuses whose day is known only once it has come; others may be planned.
_NOT_PLANNED = ("died", "lost", "pregnant", "merged", "split")
# Statuses that are paperwork: they may follow a death.
_PAPERWORK = ("merged", "split")
# Sessions that took place; one that was missed or cancelled may have been, because of the death.
_NOT_HELD = ("missed", "cancelled")

# (topic, what comes first, what can't lie before it). An adverse event may be known, and known to
# be serious, before the onset that counts: clinics move the onset to that of the worst grade. That
# is odd, and no rule.
ORDER: tuple[tuple[str, str, str], ...] = (
    ("devices", "calibrated_on", "calibration_due_on"),
    ("study_enrolments", "from", "to"),
    ("consults", "occurred_at", "valid_until"),
    ("courses", "starts_on", "ends_on"),
    ("adverse_events", "onset_at", "resolved_at"),
    ("adverse_events", "onset_at", "reported_at"),
    ("adverse_events", "aware_at", "reported_at"),
    ("care", "occurred_at", "ended_at"),
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`condition` is true where `field` of the topic can't be true; `against` names the column that
    it is held against; `sets_aside`: a contradiction, the whole record waits; `is_nulled`: the
    field is made null.
    """

    name: str
    topic: str
    field: str
    sentence: str
    condition: pl.Expr
    against: str | None = None
    sets_aside: bool = False
    is_nulled: bool = True


def fields_of(topic: str) -> dict[str, Kind]:
    """The judged moments and days of a topic's records, by name."""
    own = {field: kind for (name, field), kind in FIELDS.items() if name == topic}
    return own if topic == "alerts" else own | COMMON


def nullable_fields(topic: str) -> list[str]:
    """The fields that a rule may make null."""
    return list(
        dict.fromkeys(rule.field for rule in rules(topic, options=Options()) if rule.is_nulled)
    )


def rules(topic: str, *, options: Options) -> list[Rule]:
    """The rules of a topic's records, in the order in which they are held against a record."""
    if topic not in CORE_RECORDS:
        return []
    return [
        *_of_clinics(topic),
        *(
            rule
            for field, kind in fields_of(topic).items()
            for rule in _by_itself(topic, field, kind, options=options)
        ),
        *_of_births(topic, options=options),
        *(
            rule
            for field, kind in fields_of(topic).items()
            for rule in _in_a_life(topic, field, kind, options=options)
        ),
        *_in_order(topic),
        *(
            rule
            for field, kind in fields_of(topic).items()
            if kind.is_lived
            for rule in _after_death(topic, field)
        ),
    ]


def _is_day(topic: str, field: str) -> bool:
    return CORE_RECORDS[topic].column(field).dtype == pl.Date


def _of_clinics(topic: str) -> Iterator[Rule]:
    if topic == "clinics":
        zone = pl.col("timezone")
        unknown = zone.is_not_null() & ~zone.map_elements(
            is_zone, return_dtype=pl.Boolean, skip_nulls=True
        )
        sentence = "The time zone is no IANA name, so the clinic's days are not known."
        yield Rule(
            name="unknown_timezone",
            topic=topic,
            field="timezone",
            sentence=sentence,
            condition=unknown,
        )


def _by_itself(topic: str, field: str, kind: Kind, *, options: Options) -> Iterator[Rule]:
    """What a moment or day must be whatever else the record says."""
    value, is_day = pl.col(field), _is_day(topic, field)
    latest = pl.col("ingested_at") + pl.duration(minutes=options.clock_tolerance_min)
    ahead = _day_of(latest) if is_day else latest
    in_the_future = value > ahead
    if kind.ahead:
        far = ahead.dt.offset_by(f"{options.plan_horizon_years}y")
        yield Rule(
            name="too_far_ahead",
            topic=topic,
            field=field,
            condition=value > far,
            against="ingested_at",
            sentence="It lies further ahead than plans reach.",
        )
        in_the_future &= (
            pl.col("status").is_in(_NOT_PLANNED) if topic == "patient_status" else pl.lit(False)
        )
    if not kind.ahead or topic == "patient_status":
        yield Rule(
            name="in_the_future",
            topic=topic,
            field=field,
            condition=in_the_future,
            against="ingested_at",
            sentence="It had not come yet when the record was landed.",
        )
    if kind.is_history:
        day = value if is_day else value.dt.date()
        near = (day - pl.lit(_CLOCK_ZERO)).dt.total_days().abs() <= 1
        yield Rule(
            name="clock_at_zero",
            topic=topic,
            field=field,
            condition=near,
            sentence="It is where a clock without a time begins.",
        )
    else:
        first = (
            date(options.earliest_year, 1, 1) if is_day else datetime(options.earliest_year, 1, 1)
        )
        floor = (
            pl.lit(first)
            if is_day
            else pl.lit(first).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        )
        yield Rule(
            name="long_ago",
            topic=topic,
            field=field,
            condition=value < floor,
            sentence="It lies before anything that Floe knows of could be measured or written.",
        )


def _day_of(moment: pl.Expr) -> pl.Expr:
    """The latest day that it was anywhere at that moment."""
    return (moment + pl.duration(hours=_EARLIEST_ZONE.seconds // 3600)).dt.date()


def _of_births(topic: str, *, options: Options) -> Iterator[Rule]:
    if topic != "patients":
        return
    born, enrolled = pl.col("birth_year"), pl.col("enrolled_on").dt.year()
    for name, condition, against, sentence in (
        (
            "in_the_future",
            born > _day_of(pl.col("ingested_at")).dt.year(),
            "ingested_at",
            "Nobody was born then yet when the record was landed.",
        ),
        (
            "birth_after_enrolment",
            born > enrolled,
            "enrolled_on",
            "Nobody is enrolled before the birth.",
        ),
        ("too_old", enrolled - born > options.oldest_age, "enrolled_on", "Nobody grows that old."),
    ):
        yield Rule(
            name=name,
            topic=topic,
            field="birth_year",
            condition=condition,
            against=against,
            sentence=sentence,
        )


def _in_a_life(topic: str, field: str, kind: Kind, *, options: Options) -> Iterator[Rule]:
    """What a moment or day of a patient must be, by the birth and the enrolment."""
    value, is_day = pl.col(field), _is_day(topic, field)
    if kind.is_born:
        born = "birth_year" if topic == "patients" else "_birth_year"
        year = (value if is_day else _day_of(value)).dt.year()
        yield Rule(
            name="before_birth",
            topic=topic,
            field=field,
            condition=year < pl.col(born),
            against=born,
            sentence="It lies before the patient's birth.",
        )
    if kind.is_enrolled:
        first = pl.col("_enrolled_on").dt.offset_by(f"-{options.years_before_enrolment}y")
        day = value if is_day else value.dt.date()
        yield Rule(
            name="long_before_enrolment",
            topic=topic,
            field=field,
            condition=day < first,
            against="_enrolled_on",
            sentence="It lies years before the patient's enrolment.",
        )


def _in_order(topic: str) -> Iterator[Rule]:
    for name, first, then in ORDER:
        if name == topic:
            yield Rule(
                name="end_before_start",
                topic=topic,
                field=then,
                condition=_is_before(topic, then, first),
                against=first,
                sentence=f"It lies before {first}.",
            )


def _is_before(topic: str, then: str, first: str) -> pl.Expr:
    """An end that is the midnight of its start's local day is a day whose time of day nobody wrote
    down.
    """
    start, end = pl.col(first), pl.col(then)
    if _is_day(topic, then):
        return end < start
    offset = pl.duration(minutes=pl.col("utc_offset_min").fill_null(0))
    midnight = (start + offset).dt.truncate("1d") - offset
    return (end < start) & (end != midnight)


def _after_death(topic: str, field: str) -> Iterator[Rule]:
    value = pl.col(field)
    after = value > pl.col("_died_on") if _is_day(topic, field) else value >= pl.col("_dead_from")
    if topic == "sessions":
        after &= ~pl.col("status").is_in(_NOT_HELD)
    if topic == "patient_status":
        after &= ~pl.col("status").is_in(_PAPERWORK)
    yield Rule(
        name="after_death",
        topic=topic,
        field=field,
        condition=after,
        against="_died_on",
        sets_aside=True,
        is_nulled=topic != "adverse_events",
        sentence="It lies after the patient's death.",
    )


# --- series -------------------------------------------------------------------------------------

UNTIMELY = {
    "long_ago": "It lies before anything that Floe knows of could be measured or written.",
    "before_birth_or_enrolment": "It lies before the patient's birth, or years before the enrolment.",
    "in_the_future": "It had not come yet when the record was landed.",
    "after_death": "It lies after the patient's death.",
}


def doubtful_series(name: str, options: Options) -> str:
    """SQL for the series of `raw.NAME` whose start may be wrong: a row an event, without its
    samples, which would have to be read all. Of readings all of patients who died or were merged
    are among them: `untimely_series` decides.

    A series that only runs on past its landing is not listed; what of it lies there is in no day.
    """
    columns = """"source", event_id, ingested_at, started_at, device_id"""
    doubts = [
        f"started_at < make_timestamptz({_floor_us(options)})",
        f"started_at > ingested_at + to_minutes({options.clock_tolerance_min})",
    ]
    if name == "telemetry":
        return f"""SELECT {columns}, NULL::VARCHAR AS recorded_id, clinic_id
            FROM raw.telemetry WHERE {" OR ".join(doubts)}"""
    doubts += [
        f"started_at < enrolled_on - to_years({options.years_before_enrolment})",
        "year(started_at) < birth_year",
        "recorded_id IN (SELECT patient_id FROM core.patient_status WHERE status IN ('died', 'merged'))",
    ]
    return f"""SELECT {columns}, recorded_id, NULL::VARCHAR AS clinic_id
        FROM (SELECT {columns}, patient_id AS recorded_id FROM raw.readings)
        LEFT JOIN (SELECT patient_id AS recorded_id, enrolled_on, birth_year FROM core.patients) USING (recorded_id)
        WHERE {" OR ".join(doubts)}"""


def untimely_series(
    name: str, series: pl.DataFrame, *, wearers: pl.DataFrame | None, options: Options
) -> pl.DataFrame:
    """Rows of `core.implausible` of the `doubtful_series` whose start can't be true, one an event.

    `wearers`: whose they are, with the bounds of `with_bounds`; None of telemetry, which is no
    patient's.
    """
    floor = pl.lit(_floor_us(options), pl.Int64)
    if wearers is None:
        none = {"until_us": pl.Int64, "patient_id": pl.String}
        frame = series.with_columns(
            pl.lit(None, dtype).alias(column) for column, dtype in none.items()
        )
        frame = with_clock(frame, options=options)
    else:
        bounds = wearers.select(
            "recorded_id", "patient_id", "from_us", "until_us", "tolerance_us"
        ).unique("recorded_id")
        frame = series.join(bounds, on="recorded_id")
    start, landed = (pl.col(c).dt.epoch("us") for c in ("started_at", "ingested_at"))
    broken = (
        pl.when(start > landed + pl.col("tolerance_us"))
        .then(pl.lit("in_the_future"))
        .when(start < floor)
        .then(pl.lit("long_ago"))
        .when(start < pl.col("from_us"))
        .then(pl.lit("before_birth_or_enrolment"))
        .when(start >= pl.col("until_us"))
        .then(pl.lit("after_death"))
    )
    frame = frame.with_columns(rule=broken).filter(pl.col("rule").is_not_null())
    is_contradiction = pl.col("rule") == "after_death"
    rows = frame.select(
        pl.lit(name).alias("table"),
        pl.lit("started_at").alias("field"),
        "rule",
        "clinic_id",
        "patient_id",
        "event_id",
        "source",
        "ingested_at",
        record_id="event_id",
        sentence=pl.col("rule").replace_strict(UNTIMELY, return_dtype=pl.String),
        found=pl.col("started_at").cast(pl.String),
        against=pl.lit(None, pl.String),
        is_safety=pl.lit(False),
        is_contradiction=is_contradiction,
        is_set_aside=is_contradiction,
    )
    return IMPLAUSIBLE.conform(rows.unique(IMPLAUSIBLE.key, keep="any"))


def _floor_us(options: Options) -> int:
    return int(datetime(options.earliest_year, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


# --- judging ------------------------------------------------------------------------------------


def people(
    patients: pl.DataFrame, patient_status: pl.DataFrame, clinics: pl.DataFrame
) -> pl.DataFrame:
    """What a patient's records are held against, a row a patient of either frame: `patient_id`,
    `_birth_year`, `_enrolled_on`, `_died_on` (the first of several), `_dead_from`, the moment at
    which that day had ended.

    The frames are those of core. The day of death ends by the clock of its record.
    """
    whose = clocks(patients=patients, clinics=clinics, patient_status=patient_status)
    deaths = patient_status.filter(pl.col("status") == "died", pl.col("effective_on").is_not_null())
    deaths = with_local_clock(deaths, at="effective_on", clocks=whose)
    deaths = deaths.with_columns(
        _died_on="effective_on", _next=pl.col("effective_on").dt.offset_by("1d")
    )
    deaths = with_day_start(deaths, day="_next", into="_dead_from").sort("_died_on", "_dead_from")
    deaths = deaths.unique("patient_id", keep="first", maintain_order=True)
    deaths = deaths.select("patient_id", "_died_on", "_dead_from")
    own = patients.select("patient_id", _birth_year="birth_year", _enrolled_on="enrolled_on")
    return own.join(deaths, on="patient_id", how="full", coalesce=True)


def with_bounds(frame: pl.DataFrame, people: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """The frame of `patient_id` with what bounds the samples of a patient's series, in microseconds
    since 1970: `from_us` (before it none can be), `until_us` (the end of the day of death, null =
    alive), `tolerance_us` (so far ahead of its landing a sample may lie).
    """
    first = pl.max_horizontal(
        pl.date(options.earliest_year, 1, 1),
        pl.date(pl.col("_birth_year").clip(1, 9999), 1, 1),
        pl.col("_enrolled_on").dt.offset_by(f"-{options.years_before_enrolment}y"),
    )
    bounds = people.select(
        "patient_id",
        from_us=first.cast(pl.Datetime("us")).dt.epoch("us"),
        until_us=pl.col("_dead_from").dt.epoch("us"),
    )
    clock = with_clock(frame, options=options).rename({"from_us": "floor_us"})
    joined = clock.join(bounds, on="patient_id", how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("from_us", "floor_us").alias("from_us")).drop("floor_us")


def with_clock(frame: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """The frame with `from_us` and `tolerance_us` of the function above, of no patient in
    particular.
    """
    tolerance = options.clock_tolerance_min * 60_000_000
    return frame.with_columns(
        from_us=pl.lit(_floor_us(options), pl.Int64), tolerance_us=pl.lit(tolerance, pl.Int64)
    )


def people_of(topic: str, core: dict[str, pl.DataFrame]) -> pl.DataFrame | None:
    """`people` for a topic's records, of tables of core by name; None where nothing is held against
    a person.

    A status is held against deaths alone, a patient against the deaths and the own record.
    """
    if "patient_id" not in CORE_RECORDS[topic].names:
        return None
    empty = {name: CORE_RECORDS[name].empty() for name in ("patients", "clinics")}
    known = {"patients": empty, "patient_status": empty}.get(topic, {})
    frames = {
        name: known.get(name, core.get(name)) for name in ("patients", "patient_status", "clinics")
    }
    return people(frames["patients"], frames["patient_status"], frames["clinics"])


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
