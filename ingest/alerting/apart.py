"""A look that fails because of one patient is taken apart, so that all others are judged and that
one is told of.

Here: halving until those whose judgement fails are alone. Not here: one look (look.py), the alert's
words (records.py of transforms/alerting).
"""

from collections.abc import Callable, Iterable, Iterator

import polars as pl

from transforms.alerting.causes import SUBJECTS
from transforms.alerting.records import UNJUDGED
from transforms.errors import DiskFull

from .kept import Kept
from .touched import NOBODY, Touched

Looked = tuple[pl.DataFrame, pl.DataFrame]  # causes, and the subjects that were looked at whole
Look = Callable[[Touched], Looked]

_MOST = 20  # who can't be judged alone; where it is more, the fault is Floe's and not the records'
_MOST_REASON = 300  # characters


class Interrupted(Exception):
    """What failed was done between the steps of a look, not the look; its cause is what failed."""


def looks(look: Look, whom: Touched) -> tuple[list[Looked], list[tuple[Touched, str]]]:
    """The looks by which all were judged who can be, and each patient or single record that can't,
    with the reason.

    Raises what a look raises if it fails for nobody too, for more than some twenty, because the
    disk is full or because it was Interrupted: then no patient is to blame, and the whole is looked
    at again later.
    """
    try:
        return [look(whom)], []
    except (DiskFull, Interrupted):
        raise
    except Exception:
        look(NOBODY)
        looked: list[Looked] = []
        failed: list[tuple[Touched, str]] = []
        for part in _halves(whom) or [whom]:
            _take_apart(look, part, looked, failed)
        return looked, failed


def _take_apart(
    look: Look, whom: Touched, looked: list[Looked], failed: list[tuple[Touched, str]]
) -> None:
    try:
        looked.append(look(whom))
    except (DiskFull, Interrupted):
        raise
    except Exception as error:
        halves = _halves(whom)
        for half in halves:
            _take_apart(look, half, looked, failed)
        if not halves:
            failed.append((whom, f"{type(error).__name__}: {error}"[:_MOST_REASON]))
        if len(failed) > _MOST:
            raise


def _halves(whom: Touched) -> list[Touched]:
    """Two with half of the patients and single records each; none of one. No device is whole in a
    half.
    """
    each = list(_each(whom))
    middle = len(each) // 2
    if not middle:
        return []
    return [_of(each[:middle]), _of(each[middle:])]


def _each(whom: Touched) -> Iterator[tuple[str, str]]:
    """(table, id) of patients and single records, in an order."""
    yield from (("patients", id) for id in sorted(whom.patients))
    for name in sorted(whom.single):
        yield from ((name, id) for id in sorted(whom.single[name]))


def _of(each: Iterable[tuple[str, str]]) -> Touched:
    ids: dict[str, set[str]] = {}
    for name, id in each:
        ids.setdefault(name, set()).add(id)
    patients = frozenset(ids.pop("patients", ()))
    return Touched(patients, frozenset(), {name: frozenset(some) for name, some in ids.items()})


def judgements(whom: Touched) -> pl.DataFrame:
    """The subjects (`subject_kind`, `subject_id`) of the alerts that say that one of them could not
    be judged.
    """
    ids = [f"{name}/{id}" for name, id in _each(whom)]
    return pl.DataFrame(
        {"subject_kind": ["judgement"] * len(ids), "subject_id": ids}, schema=SUBJECTS
    )


def unjudged(kept: Kept, failed: list[tuple[Touched, str]]) -> pl.DataFrame:
    """UNJUDGED: who could not be judged, with the clinic of the first record."""
    rows = [(name, id, reason) for whom, reason in failed for name, id in _each(whom)]
    frame = pl.DataFrame(rows, schema=["table", "record_id", "reason"], orient="row")
    is_patient = pl.col("table") == "patients"
    frame = frame.with_columns(patient_id=pl.when(is_patient).then("record_id"))
    home = kept.query(
        "SELECT patient_id, arg_min(clinic_id, (ingested_at, clinic_id)) AS clinic_id FROM raw.patients "
        "WHERE patient_id IN (SELECT patient_id FROM failed) GROUP BY 1",
        failed=frame.select(pl.col("patient_id").cast(pl.String)),
    )
    return (
        frame.cast({"patient_id": pl.String})
        .join(home, on="patient_id", how="left")
        .select(UNJUDGED.names())
    )


def to_judge_again(alerts: Iterable[dict]) -> Touched:
    """Those whom alerts say could not be judged."""
    return _of(tuple(alert["subject_id"].split("/", 1)) for alert in alerts)
