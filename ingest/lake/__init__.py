"""The lake: attach, read, write in one transaction, snapshots, change feed, upkeep. The only folder
that imports duckdb, but for lake_in_memory.py.

Here: how DuckLake is spoken to; a name of this list is what other modules may use. Not here: what is
landed (landing.py), which tables there are (transforms/schemas), who writes when (turns.py).

Many processes use one lake at once: readers never wait for writers; writers take turns, and a whole
transaction is run again where the catalog was busy all the same.
"""

from .alone import alone
from .read_once import LakeOfARun
from .statements import TABLES
from .still import StillLake
from .whole import Lake
from .writer import Difference, Writer

__all__ = ["TABLES", "Difference", "Lake", "LakeOfARun", "StillLake", "Writer", "alone"]
