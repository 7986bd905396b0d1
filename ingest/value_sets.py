"""EQ-5D-5L value sets as the user supplies them: CSV files to numbers.

Here: reading one folder. Not here: scoring (transforms/instruments/eq5d.py). No value set is
shipped: each belongs to its owner. A file is named COUNTRY.csv or COUNTRY_NAME.csv (ISO 3166, as in
floe.clinics.v1) and has the columns `profile` (five digits, 11111 to 55555) and `utility`.
"""

import csv
import re
from pathlib import Path

from transforms.errors import UnreadableFile


def read_value_sets(folder: str) -> dict[str, tuple[str, dict[str, float]]]:
    """Country -> (the file's name without .csv, profile -> utility); empty text gives none.

    A folder that is not there, a row that can't be read, or two files of one country is an
    UnreadableFile.
    """
    if not folder:
        return {}
    if not Path(folder).is_dir():
        raise UnreadableFile(
            f"found no folder {folder}, expected EQ-5D-5L value sets: correct FLOE_EQ5D_VALUE_SETS"
        )
    values_of = {}
    for path in sorted(Path(folder).glob("*.csv")):
        country = path.stem.split("_")[0].upper()
        if country in values_of:
            raise UnreadableFile(
                f"found two value sets of {country}, {values_of[country][0]} and {path.stem}: keep one"
            )
        values_of[country] = (path.stem, _read(path))
    return values_of


def _read(path: Path) -> dict[str, float]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {_profile(row["profile"]): float(row["utility"]) for row in csv.DictReader(file)}
    except (KeyError, TypeError, ValueError, OSError) as error:
        expected = "a CSV file with the columns profile (five digits 1-5) and utility (a number)"
        raise UnreadableFile(f"{path}: found {error!s}, expected {expected}") from error


def _profile(text: str) -> str:
    if not re.fullmatch("[1-5]{5}", text.strip()):
        raise ValueError(f"profile {text!r}")
    return text.strip()
