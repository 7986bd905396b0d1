"""One look at those whom new records touch: their rows through core to causes, and what was looked
at whole.

Here: that. Not here: whom they touch (touched.py), the rules (transforms/alerting), what is told of
it (book.py).
"""

from collections.abc import Callable
from datetime import datetime

import polars as pl

from transforms.alerting.causes import SUBJECTS
from transforms.alerting.devices import as_sent, spells
from transforms.alerting.judging import HARM_TABLES, TABLES, of_core, of_harm
from transforms.options import Options
from transforms.records.clashes import register
from transforms.schemas import TOPIC_BY_NAME
from transforms.series.series_things import MEASURED_BY_SQL, measured_by

from ..lake_in_memory import MemoryLake
from .kept import Kept
from .touched import HARM, Touched, harm_rows_of, rows_of

# The kinds of subject by the table that their records are in.
_KINDS = {
    "sessions": "session",
    "adverse_events": "adverse_event",
    "deficiencies": "deficiency",
    "incidents": "incident",
}


def look(
    kept: Kept,
    whom: Touched,
    *,
    memory: MemoryLake,
    options: Options,
    now: datetime,
    between: Callable[[], None],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The causes of those whom new records touch, and the subjects (`subject_kind`, `subject_id`)
    looked at whole.

    What is known of others, who came along because a record names them, is not whole: their causes
    are left out. `between` is called between its steps.
    """
    raw = rows_of(kept, whom)
    memory.land(raw)
    core = memory.compute(TABLES, options=options, between=between)
    out_of_use = spells(as_sent(raw["devices"], core["identities"]))
    causes = of_core(
        {name: core[name] for name in TABLES},
        options=options,
        spells=out_of_use,
        by_series=None if raw["telemetry"].is_empty() else _by_series(memory, core),
        as_of=now,
    )
    return causes.filter(_is_of(whom)), _looked_at(raw, core, whom)


def look_for_harm(
    kept: Kept, whom: Touched, *, memory: MemoryLake, options: Options
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of the causes that `look` gives those of harm, by the few tables that show it, and the
    subjects that may have them.

    The subjects are not looked at whole: other rules than harm's may have causes in them.
    """
    raw = harm_rows_of(kept, whom)
    memory.land(raw)
    core = memory.compute(HARM_TABLES, options=options)
    subjects = _looked_at({name: raw[name] for name in HARM}, core, whom)
    return of_harm(core).filter(_is_of(whom)), subjects


def _by_series(memory: MemoryLake, core: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Which devices' series name a session."""
    among = register(core["identities"], devices=core["devices"], patients=core["patients"])
    return measured_by(memory.query(MEASURED_BY_SQL), among=among)


def _is_of(whom: Touched) -> pl.Expr:
    patient = pl.col("patient_id")
    return patient.is_null() | patient.is_in(sorted(whom.patients))


def _looked_at(
    raw: dict[str, pl.DataFrame], core: dict[str, pl.DataFrame], whom: Touched
) -> pl.DataFrame:
    """Under the ids that were sent and those that core gives them; of a record that core has, whose
    patient it has.
    """
    parts = [
        pl.DataFrame(schema=SUBJECTS),
        _subjects("device", pl.Series(sorted(whom.devices), dtype=pl.String)),
    ]
    for name, frame in raw.items():
        record_id = TOPIC_BY_NAME[name].record_id
        ids = _names(_theirs(frame, whom), record_id)
        parts.append(_subjects("record", name + "/" + ids))
        if name in _KINDS:
            counting = core[name]
            gone = ids.filter(~ids.is_in(counting[record_id].to_list()))
            parts += [
                _subjects(_KINDS[name], part) for part in (gone, _theirs(counting, whom)[record_id])
            ]
    return pl.concat(parts)


def _names(frame: pl.DataFrame, record_id: str) -> pl.Series:
    """The ids that were sent, and what core calls each while it clashes: CLINIC:ID, or
    SOURCE#ID.
    """
    spellings = [
        frame[record_id],
        frame.select(pl.format("{}#{}", "source", record_id)).to_series(),
    ]
    if "clinic_id" in frame.columns:
        spellings.append(frame.select(pl.format("{}:{}", "clinic_id", record_id)).to_series())
    return (
        pl.concat([names.cast(pl.String).rename(record_id) for names in spellings])
        .drop_nulls()
        .unique()
    )


def _theirs(frame: pl.DataFrame, whom: Touched) -> pl.DataFrame:
    return (
        frame.filter(pl.col("patient_id").is_in(sorted(whom.patients)))
        if "patient_id" in frame.columns
        else frame
    )


def _subjects(kind: str, ids: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"subject_id": ids.cast(pl.String)}).select(
        subject_kind=pl.lit(kind), subject_id=pl.col("subject_id")
    )
