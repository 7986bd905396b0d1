"""`core.identities`: the events of ids that stand for more than one thing, and what core calls
each.

Here: from rows of `raw` to that table, topic by topic, for what refers to patients and devices is
resolved with theirs. Not here: the rules themselves (identity.py) and what refers to a clashing id
(references.py).

Only events of ids on which source, patient or clinic differ are read; where they agree, nothing is
clashing. The rows that are looked at one by one are those of ids that do.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby

import polars as pl

from ..rules.local_time import with_local_day
from ..schemas import CORE_RECORDS, TOPIC_BY_NAME
from ..schemas.core import IDENTITIES
from .current import (
    ENTERED_IN_ERROR,
    IDENTITY,
    LANDED,
    counting,
    current,
    first_landed,
    merge_map,
    written_at,
)
from .identity import Event, Thing, names, things
from .moved_patients import moved
from .references import Register, with_names

Frames = Mapping[str, pl.DataFrame]
# In this order: each after what it refers to. A clinic's id is the clinic, so it can't clash.
REFERRED_TO = ("devices", "protocols", "patient_status", "patients")
ORDER = (*REFERRED_TO, *(name for name in CORE_RECORDS if name not in (*REFERRED_TO, "clinics")))


def identities(frames: Frames) -> pl.DataFrame:
    """`core.identities`; `frames`: by topic the rows of `contested` (of what others refer to
    always), `statuses` (all of raw.patient_status), `clinics`.
    """
    zones = frames["clinics"].select("clinic_id", "timezone")
    among = Register(IDENTITIES.empty(), _clinics(frames, "devices"), _clinics(frames, "patients"))
    merges = None
    for name in ORDER:
        if name not in frames or frames[name].is_empty():
            continue
        events = first_landed(frames[name])
        if name == "patients":
            events = moved(events, statuses(frames["statuses"], among))
        elif name not in REFERRED_TO:
            merges = merge_map(statuses(frames["statuses"], among)) if merges is None else merges
            events = _merged(with_names(events, ("patient_id", "device_id"), among=among), merges)
        clashing = _clashing(name, _with_day(events, zones, among))
        among = replace(among, identities=pl.concat([among.identities, clashing]))
    return among.identities.sort(IDENTITIES.key)


def statuses(raw: pl.DataFrame, among: Register) -> pl.DataFrame:
    """`core.patient_status` before merges: patients as core names them, `CLINIC:ID` of one that
    doesn't clash as the id.

    `raw`: all of raw.patient_status; `among`: with the clinics of patients by the id as sent.
    """
    sent = among.patient_clinics
    named = among.identities.filter(pl.col("topic") == "patients")["name"].drop_nulls()
    plain = sent.select("patient_id", name=pl.format("{}:{}", "clinic_id", "patient_id")).filter(
        ~pl.col("name").is_in(named.implode()), ~pl.col("name").is_in(sent["patient_id"].implode())
    )
    status = current("patient_status", raw, among.identities)
    status = with_names(status, ("patient_id", "merged_into"), among=among)
    return status.with_columns(
        pl.col("patient_id", "merged_into").replace(plain["name"], plain["patient_id"])
    )


def _clinics(frames: Frames, name: str) -> pl.DataFrame:
    """The clinic of each device or patient, by the id as sent; of one that has several, none."""
    rows = (
        frames[name]
        .select(pl.col("record_id").alias(TOPIC_BY_NAME[name].record_id), "clinic_id")
        .drop_nulls()
    )
    return rows.unique().filter(pl.len().over(TOPIC_BY_NAME[name].record_id) == 1)


def _merged(events: pl.DataFrame, merges: pl.DataFrame) -> pl.DataFrame:
    ends = merges.filter(~pl.col("is_cycle")).select("patient_id", "merged_into")
    joined = events.join(ends, on="patient_id", how="left", maintain_order="left")
    patient = pl.coalesce("merged_into", "patient_id")
    return joined.with_columns(patient_id=patient).drop("merged_into")


def _with_day(events: pl.DataFrame, zones: pl.DataFrame, register: Register) -> pl.DataFrame:
    """The events with `day`: local to their own clinic, else the one that enrolled the patient.

    Whose session and which transfer count is not settled before things are told apart, so the rule
    of rules/local_time.py can't be asked yet.
    """
    of_patient = register.patient_clinics.select("patient_id", _of_patient="clinic_id")
    placed = events.join(of_patient, on="patient_id", how="left", maintain_order="left")
    placed = placed.with_columns(_clinic=pl.coalesce("clinic_id", "_of_patient"))
    placed = placed.join(
        zones, left_on="_clinic", right_on="clinic_id", how="left", maintain_order="left"
    )
    return with_local_day(placed, at="moment", into="day").drop(
        "_of_patient", "_clinic", "timezone"
    )


def _clashing(name: str, events: pl.DataFrame) -> pl.DataFrame:
    """The rows of `core.identities` of a topic."""
    columns = {"group": pl.lit(None, dtype=pl.String), "person_clinic": pl.col("clinic_id")}
    events = events.with_columns(
        [e.alias(c) for c, e in columns.items() if c not in events.columns]
        + [written_at().alias("at")]
    )
    labelled = _labelled(_differing(events))
    if labelled.is_empty():
        return IDENTITIES.empty()
    if name == "protocols":
        labelled = _by_clinic(labelled, events)
    active = _things(labelled)
    taken = frozenset(events["record_id"].unique())
    rows = []
    for record_id, of_id in groupby(
        active.sort("record_id", "thing").iter_rows(named=True), key=_record_id
    ):
        of_id = list(of_id)
        made = [
            Thing(
                t["clinic_id"], frozenset(t["sources"]), t["patient_id"], t["event"], t["is_active"]
            )
            for t in of_id
        ]
        rows += [
            (record_id, t["thing"], n)
            for t, n in zip(of_id, names(record_id, made, taken=taken), strict=True)
        ]
    named = pl.DataFrame(
        rows, schema={"record_id": pl.String, "thing": pl.String, "name": pl.String}, orient="row"
    )
    of_things = labelled.join(named, on=["record_id", "thing"], how="left")
    of_things = of_things.join(
        active.select("record_id", "thing", "is_active"), on=["record_id", "thing"], how="left"
    )
    return IDENTITIES.conform(
        of_things.with_columns(topic=pl.lit(name), is_active=pl.col("is_active").fill_null(False))
    )


def _record_id(row: dict) -> str:
    return row["record_id"]


def _differing(events: pl.DataFrame) -> pl.DataFrame:
    """The events of ids of which patient, clinic, or day between sources, are not all the same."""
    several = {
        c: pl.col(c).drop_nulls().n_unique() > 1
        for c in ("patient_id", "person_clinic", "source", "day")
    }
    per_id = events.group_by("record_id", "effective_from").agg(
        is_split=pl.col("group").is_not_null().any(), **several
    )
    differ = per_id.filter(
        pl.col("is_split")
        | pl.col("patient_id")
        | pl.col("person_clinic")
        | (pl.col("source") & pl.col("day"))
    )
    return events.join(
        differ.select("record_id", "effective_from"),
        on=["record_id", "effective_from"],
        how="semi",
        nulls_equal=True,
    )


def _labelled(events: pl.DataFrame) -> pl.DataFrame:
    """The events of ids of more than one thing, with `thing` (null where an event fits several)."""
    events = events.sort("record_id", "effective_from", "group", *IDENTITY, nulls_last=False)
    key = lambda row: (row["record_id"], row["effective_from"])  # noqa: E731
    labels: list[str | None] = []
    for _, of_id in groupby(events.iter_rows(named=True), key=key):
        labels += _labels(list(of_id))
    marked = events.with_columns(pl.Series("thing", labels, dtype=pl.String))
    several = (
        marked.group_by("record_id", "effective_from")
        .agg(_n=pl.col("thing").n_unique())
        .filter(pl.col("_n") > 1)
    )
    return marked.join(several, on=["record_id", "effective_from"], how="semi", nulls_equal=True)


def _labels(rows: list[dict]) -> list[str | None]:
    labels: list[str | None] = []
    for group, of_group in groupby(rows, key=lambda row: row["group"]):
        labels_of = things(
            [
                Event(
                    r["source"] or "",
                    r["patient_id"],
                    r["person_clinic"],
                    r["day"],
                    r["revision"],
                    r["at"] or _NEVER,
                )
                for r in of_group
            ]
        )
        labels += [None if label is None else f"{group or ''}/{label}" for label in labels_of]
    return labels


_NEVER = pl.Series([0]).cast(pl.Datetime("us", "UTC"))[0]


def _by_clinic(labelled: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """All versions of protocols of which one clashes: those of a clinic are one thing, whenever in
    force from.
    """
    ids = labelled.select("record_id").unique()
    concerned = events.join(ids, on="record_id", how="semi")
    clinic = pl.lit("clinic ") + pl.col("clinic_id")
    source = pl.lit("source ") + pl.col("source")
    return concerned.with_columns(thing=pl.coalesce(clinic, source))


def _things(labelled: pl.DataFrame) -> pl.DataFrame:
    """One row per thing: `record_id`, `thing`, `clinic_id`, `patient_id` (the latest known),
    `sources`, `event`, `is_active`.
    """
    placed = labelled.drop_nulls("thing")
    order = placed.sort("at", *LANDED, nulls_last=False)
    grouped = order.group_by("record_id", "thing", maintain_order=True).agg(
        pl.col("person_clinic").drop_nulls().last().alias("clinic_id"),
        pl.col("patient_id").drop_nulls().last(),
        sources=pl.col("source").fill_null("").unique().sort(),
        event=pl.col("event_id").min().fill_null(""),
    )
    counts = counting(placed, ("record_id", "thing", "effective_from"))
    alive = counts.filter(pl.col("record_status").fill_null("active") != ENTERED_IN_ERROR)
    return grouped.join(
        alive.select("record_id", "thing", is_active=True).unique(),
        on=["record_id", "thing"],
        how="left",
    ).with_columns(pl.col("is_active").fill_null(False))


def register(
    identities: pl.DataFrame, *, devices: pl.DataFrame | None, patients: pl.DataFrame | None
) -> Register:
    """What a table of core looks its references up in: of `core.identities`, `core.devices` and
    `core.patients`.
    """
    none = pl.DataFrame(
        schema={"device_id": pl.String, "patient_id": pl.String, "clinic_id": pl.String}
    )
    return Register(
        identities,
        (none if devices is None else devices).select("device_id", "clinic_id"),
        (none if patients is None else patients).select("patient_id", "clinic_id"),
    )
