"""`core.orphans`: landed records that name what is not known, or what fits several.

Here: the list, and what of the series it is made from. Not here: who refers to what
(references.py).
"""

import polars as pl

from ..schemas import RAW_TABLES, TOPIC_BY_NAME
from ..schemas.core import ORPHANS
from .current import POSITION, merge_map
from .references import Register, with_names
from .retractions import retracted_positions

_REFERENCES = {
    "clinic": "clinics",
    "device": "devices",
    "protocol": "protocols",
    "patient": "patients",
}


# Sessions and courses are only missed where an id stands for several: a session that is still to
# come is none.
_CLASHING = {
    "session_id": ("session", "sessions"),
    "course_id": ("course", "courses"),
    "continues": ("course", "courses"),
}


def series_references(name: str) -> str:
    """SQL for what a series of `raw` refers to: one row per combination of ids and source, with the
    first event of it.
    """
    columns = [
        c
        for c in RAW_TABLES[name].names
        if c in ("patient_id", "device_id", "clinic_id", "session_id")
    ]
    columns = [*columns, '"source"']
    first = "min_by(event_id, (event_time, event_id))"
    return f"""SELECT {", ".join(columns)}, {first} AS event_id FROM raw."{name}"
        ANTI JOIN ({retracted_positions(name)}) USING ({POSITION}) GROUP BY {", ".join(columns)}"""


def orphans(core: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """The rows of `core.orphans`: records that name a clinic, device, protocol or patient that is
    not known.

    `core` holds `clinics`, `devices`, `protocols`, `patients`, `patient_status`, `identities` and
    any further tables of records by name, patients merged; `readings` and `telemetry` are results
    of `series_references`, whose record is the event. A merge into an unknown patient or in a cycle
    is listed as `merge_target`, an event of a clashing id that fits several things as `record`,
    what refers to such an id and can't be attributed under what it refers to.
    """
    merges = merge_map(core["patient_status"])
    register = {kind: core[table][f"{kind}_id"].unique() for kind, table in _REFERENCES.items()}
    aliases = merges.filter(pl.col("merged_into").is_in(register["patient"].implode()))[
        "patient_id"
    ]
    register["patient"] = pl.concat([register["patient"], aliases]).unique()
    identities = core["identities"]
    tables = {
        name: _named(frame, core)
        for name, frame in core.items()
        if name != "identities" and not frame.is_empty()
    }
    missing = [
        _missing(name, frame, kind, ids)
        for name, frame in tables.items()
        for kind, ids in register.items()
        if f"{kind}_id" in frame.columns and name != _REFERENCES[kind]
    ]
    for column, (kind, topic) in _CLASHING.items():
        ids = _lost_ids(identities, topic)
        missing += [
            _listed(name, frame.filter(pl.col(column).is_in(ids.implode())), kind, column)
            for name, frame in tables.items()
            if (column in frame.columns and name != topic)
            or (column == "continues" and name == topic)
        ]
    missing += [
        _lost_merges(core["patient_status"], merges, register["patient"]),
        _fit_several(identities),
    ]
    return pl.concat([ORPHANS.empty(), *missing]).unique(ORPHANS.key, keep="any").sort(ORPHANS.key)


def _named(frame: pl.DataFrame, core: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """A series' references by core's names; records have them already."""
    if (
        "record_status" in frame.columns
        or "recorded_at" in frame.columns
        or "source" not in frame.columns
    ):
        return frame
    among = Register(
        core["identities"],
        core["devices"].select("device_id", "clinic_id"),
        core["patients"].select("patient_id", "clinic_id"),
    )
    return with_names(frame, ("patient_id", "device_id", "session_id"), among=among)


def _lost_ids(identities: pl.DataFrame, topic: str) -> pl.Series:
    """The ids that stand for several things, none of which has it alone."""
    of_topic = identities.filter(pl.col("topic") == topic)
    alone = of_topic.filter(pl.col("name") == pl.col("record_id"))
    return of_topic.join(alone, on="record_id", how="anti")["record_id"].unique()


def _fit_several(identities: pl.DataFrame) -> pl.DataFrame:
    return identities.filter(pl.col("name").is_null(), pl.col("event_id").is_not_null()).select(
        pl.col("topic").alias("table"),
        "record_id",
        pl.lit("record").alias("missing_kind"),
        pl.col("record_id").alias("missing_id"),
        "event_id",
        "source",
    )


def _listed(name: str, rows: pl.DataFrame, kind: str, missing_id: str) -> pl.DataFrame:
    topic = TOPIC_BY_NAME[name]
    return rows.select(
        pl.lit(name).alias("table"),
        pl.col("event_id" if topic.is_series else topic.record_id).alias("record_id"),
        pl.lit(kind).alias("missing_kind"),
        pl.col(missing_id).alias("missing_id"),
        "event_id",
        "source",
    )


def _missing(name: str, frame: pl.DataFrame, kind: str, ids: pl.Series) -> pl.DataFrame:
    column = f"{kind}_id"
    unknown = frame.filter(pl.col(column).is_not_null(), ~pl.col(column).is_in(ids.implode()))
    return _listed(name, unknown, kind, column)


def _lost_merges(
    patient_status: pl.DataFrame, merges: pl.DataFrame, ids: pl.Series
) -> pl.DataFrame:
    cycles = merges.filter("is_cycle")["patient_id"]
    lost = patient_status.filter(
        pl.col("status") == "merged",
        pl.col("merged_into").is_null()
        | ~pl.col("merged_into").is_in(ids.implode())
        | pl.col("patient_id").is_in(cycles.implode()),
    )
    return _listed(
        "patient_status",
        lost.with_columns(pl.col("merged_into").fill_null("")),
        "merge_target",
        "merged_into",
    )
