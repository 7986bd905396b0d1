"""Every table of core and the marts of some records, as Parquet files: by the code of one commit,
as a script of its own.

Here: that. Not here: which records, and which commits (__main__.py). It uses nothing but what every
commit has.

    PYTHONPATH=CHECKOUT python computing.py RECORDS FOLDER
"""

import pickle
import sys
from datetime import datetime
from pathlib import Path

from tests.computed import computed


def main(records: Path, folder: Path) -> None:
    landed, given = pickle.loads(records.read_bytes())
    for name, frame in computed(given, landed=datetime.fromisoformat(landed)).items():
        if name.startswith(("core.", "mart.")):
            frame.write_parquet(folder / f"{name}.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
