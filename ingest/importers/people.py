"""Whose export it is: the export's ids and the patients behind them.

Here: the map and its file. Not here: any vendor's format.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from ingest.contract import LONGEST_ID
from ingest.lengths import is_no_id
from transforms.errors import UnreadableFile, UsageError

_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class People:
    """Either `patient`, for the export of one person, or `patients`: the export's id -> patient
    id.
    """

    patient: str | None = None
    patients: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        if bool(self.patient) == bool(self.patients):
            raise UsageError(
                "found both or neither of --patient and --patients, expected one of them"
            )
        ids = pl.DataFrame({"id": [self.patient] if self.patient else list(self.patients.values())})
        if bad := ids.filter(is_no_id(pl.col("id")))["id"].to_list():
            raise UsageError(
                f"found the patient {_some([ascii(i[:40]) for i in bad])}, expected at most {LONGEST_ID} characters, none of "
                "them of control or direction: every event of theirs would be rejected"
            )

    def of(self, exported: Iterable[str], *, place: str) -> dict[str, str]:
        """The patient of each of the export's ids. Raises UsageError, which names the ids that have
        none.
        """
        ids = sorted(set(exported))
        if self.patient:
            if len(ids) > 1:
                raise UsageError(
                    f"{place}: found {len(ids)} people ({_some(ids)}), expected one; give --patients"
                )
            return dict.fromkeys(ids, self.patient)
        if missing := [i for i in ids if i not in self.patients]:
            raise UsageError(
                f"{place}: found no patient for {_some(missing)}; add them to the file of --patients"
            )
        return {i: self.patients[i] for i in ids}


def people_of(*, patient: str | None, patients: Mapping[str, str] | Path | str | None) -> People:
    """From what a caller has: a patient, or a map or its file. Raises UsageError,
    UnreadableFile.
    """
    by_id = (
        patients
        if isinstance(patients, Mapping)
        else read_patient_map(patients)
        if patients
        else {}
    )
    return People(patient=patient, patients=by_id)


def _some(ids: list[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return ", ".join(ids[:_SHOWN]) + more


def read_patient_map(path: Path | str) -> dict[str, str]:
    """The map of a CSV file with the export's id and the patient in each line; a heading
    `…,patient` may stand first.

    Raises UnreadableFile for a line that is not two values or gives an id a second patient.
    """
    patient_of: dict[str, str] = {}
    try:
        lines = list(csv.reader(Path(path).read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFile(
            f"{path}: found {error}, expected a CSV file: export's id, patient"
        ) from error
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line]
        if not any(cells) or (number == 1 and cells[-1].lower() in ("patient", "patient_id")):
            continue
        if len(cells) != 2 or not all(cells):
            raise UnreadableFile(
                f"{path}, line {number}: found {','.join(line)!r}, expected: export's id, patient"
            )
        if patient_of.setdefault(cells[0], cells[1]) != cells[1]:
            raise UnreadableFile(
                f"{path}, line {number}: found a second patient for {cells[0]}, expected one"
            )
    if not patient_of:
        raise UnreadableFile(f"{path}: found no line, expected in each: export's id, patient")
    return patient_of
