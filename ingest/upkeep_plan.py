"""What one step of upkeep takes on: few enough files that the writers' turn is free again within a
second.

Here: which files a call of DuckLake would take, foretold from the catalog; how large the next step may
be. Not here: the catalog's queries (lake_files.py), the calls (lake_upkeep.py), running them (lake/).

DuckLake 1.5.5 merges, of one layout of a table's columns, files from the oldest on until their sizes
reach the target; `max_compacted_files` counts the files that it makes, not those that it takes. So a
step makes one file, and its target is set to where the step shall end. Files merge with others of
about their size, so that a row is written again few times however many small files came.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .lake_files import SMALL_FILE_BYTES, DataFile

STEP_FILES = 150
STEP_BYTES = 16 * 2**20
STEP_ROWS = 500_000
MERGED_BYTES = 8 * 2**20  # a file of this length is left as it is
_AIM_S = 0.5
_LEAST_PART = 0.25
# Files from the size before up to this one merge once there are so many of them.
_TIERS = ((64 * 2**10, 2), (512 * 2**10, 4), (MERGED_BYTES, 8))
_MOSTLY_DELETED = 0.5
_MANY_WITH_DELETIONS = 8


@dataclass
class Pace:
    """The part of the largest step that the next one may be, by what the last one took; never so small
    that what each step costs anyway outweighs it, or a backlog would outgrow a slow machine.
    """

    part: float = 0.5

    def took(self, seconds: float) -> None:
        wanted = self.part * _AIM_S / max(seconds, 0.01)
        self.part = max(_LEAST_PART, min(1.0, wanted, 1.5 * self.part))

    @property
    def files(self) -> int:
        return int(STEP_FILES * self.part)

    @property
    def size_bytes(self) -> int:
        return int(STEP_BYTES * self.part)

    @property
    def rows(self) -> int:
        return int(STEP_ROWS * self.part)


@dataclass(frozen=True)
class Merge:
    """Files from `min_bytes` up to below `max_bytes`, oldest first, until `target_bytes`; `files`: as many
    at most.
    """

    min_bytes: int
    max_bytes: int
    target_bytes: int
    files: int


def due_merges(files: Sequence[DataFile]) -> int:
    """How many of a table's files are to be merged now."""
    return sum(len(part) for tier in _tiers(files) for part in tier[2])


def next_merge(files: Sequence[DataFile], pace: Pace) -> Merge | None:
    """The smallest files first; None where nothing is due."""
    for least, most, layouts in _tiers(files):
        if layouts:
            return _merge(least, most, layouts, pace)
    return None


def _tiers(files: Sequence[DataFile]):
    """From, up to, the files of each layout of which enough are there."""
    least = 0
    for most, enough in _TIERS:
        by_layout: dict[int, list[DataFile]] = defaultdict(list)
        for file in files:
            if file.is_whole and least <= file.size_bytes < most:
                by_layout[file.layout].append(file)
        yield least, most, [part for part in by_layout.values() if len(part) >= enough]
        least = most


def _merge(least: int, most: int, layouts: list[list[DataFile]], pace: Pace) -> Merge:
    """DuckLake chooses the layout, so the target fits the one that reaches it with most files."""
    target = max(1, min(_target(part, pace) for part in layouts))
    most = min(most, target)  # larger ones DuckLake leaves out
    files = max(_taken(part, least, most, target) for part in layouts)
    while files > pace.files and target > 2:
        target //= 2
        most = min(most, target)
        files = max(_taken(part, least, most, target) for part in layouts)
    if files < 2:  # of unlike sizes: the two smallest that stand next to each other
        return _smallest(layouts)
    return Merge(least, most, target, files)


def _target(files: Sequence[DataFile], pace: Pace) -> int:
    """The sum of the sizes of as many files as the step may take, of two at least."""
    size = n_rows = 0
    for number, file in enumerate(files):
        if number >= 2 and (number >= pace.files or size >= pace.size_bytes or n_rows >= pace.rows):
            break
        size, n_rows = size + file.size_bytes, n_rows + file.rows
    return size


def _taken(files: Sequence[DataFile], least: int, most: int, target: int) -> int:
    """As many as DuckLake would merge into the first file."""
    size = number = 0
    for file in files:
        if least <= file.size_bytes < most and size < target:
            size, number = size + file.size_bytes, number + 1
    return number


def _smallest(layouts: list[list[DataFile]]) -> Merge:
    second = min(sorted(file.size_bytes for file in part)[1] for part in layouts)
    return Merge(0, second + 1, second + 1, 2)


@dataclass(frozen=True)
class Rewrite:
    """Files of which at least this share is deleted. `is_long`: no smaller step is to be had."""

    threshold: float
    files: int
    is_long: bool


def next_rewrite(files: Iterable[DataFile], pace: Pace) -> Rewrite | None:
    """Files that are mostly deleted; where many small ones have any deletions, which keep them from
    being merged, those too. None where nothing is due.
    """
    touched = sorted((file for file in files if file.deleted), key=lambda file: -file.deleted_share)
    small = [file for file in touched if file.size_bytes < SMALL_FILE_BYTES]
    is_many = len(small) >= _MANY_WITH_DELETIONS
    least = min(_MOSTLY_DELETED, small[-1].deleted_share) if is_many else _MOSTLY_DELETED
    due = [file for file in touched if file.deleted_share >= least]
    if not due:
        return None
    threshold, taken = _within(due, pace)
    size, n_rows = sum(f.size_bytes for f in taken), sum(f.rows for f in taken)
    return Rewrite(threshold, len(taken), size > 2 * STEP_BYTES or n_rows > 2 * STEP_ROWS)


def _within(due: Sequence[DataFile], pace: Pace) -> tuple[float, list[DataFile]]:
    """The lowest share at which the files that have it fit one step; the highest where none does."""
    shares = sorted({file.deleted_share for file in due}, reverse=True)
    best = shares[0], [file for file in due if file.deleted_share >= shares[0]]
    for share in shares[1:]:
        taken = [file for file in due if file.deleted_share >= share]
        size, n_rows = sum(f.size_bytes for f in taken), sum(f.rows for f in taken)
        if len(taken) > pace.files or size > pace.size_bytes or n_rows > pace.rows:
            break
        best = share, taken
    return best
