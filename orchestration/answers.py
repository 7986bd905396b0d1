"""What `floe sql` does: one statement that reads, its answer printed or put into a file.

Here: where the statement comes from and its answer goes. Not here: what may be asked
(ingest/lake_reading.py), printing.
"""

import sys
from collections.abc import Collection
from contextlib import ExitStack, nullcontext
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from ingest import inspection, masked_arms
from ingest.lake import Lake, StillLake
from transforms.counting import counted
from transforms.errors import UnreadableFile, UsageError

from .answer_files import new_file, write_parquet
from .interrupts import end_at_once
from .printing import print_rows, require_format
from .telling import tell

_LONGEST_STATEMENT = 1_000_000  # bytes


def statement_of(words: str | None, *, file: Path | None) -> str:
    """The statement: the argument, standard input for `-`, or a file's text. Raises UsageError,
    UnreadableFile.
    """
    if (words is None) == (file is None):
        raise UsageError(
            "found no query, or two, expected one: as the argument, as - (standard input), or by --file"
        )
    if words is not None and words != "-":
        if words.startswith("-") and not any(c.isspace() for c in words):
            raise UsageError(f"no such option: {words}: floe sql --help tells what it takes")
        return words
    try:
        with file.open("rb") if file else nullcontext(sys.stdin.buffer) as source:
            text = source.read(_LONGEST_STATEMENT + 1)
        if len(text) > _LONGEST_STATEMENT:
            raise UsageError(
                f"found a statement of more than {_LONGEST_STATEMENT:,} bytes, expected a shorter one"
            )
        return text.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "bytes that are not UTF-8"
        raise UnreadableFile(
            f"{file or 'standard input'}: found {reason}, expected a query as text"
        ) from error


def answer(settings, statement: str, *, as_of: str | None, format: str, to: Path | None) -> None:
    """Prints what the lake answers, or writes it to a file."""
    if format != "parquet":
        require_format(format)
    elif to is None:
        raise UsageError("found --format parquet and no file, expected --to FILE beside it")
    with ExitStack() as ending:
        file = ending.enter_context(new_file(to, settings=settings)) if to else None
        lake = ending.enter_context(
            StillLake.open(settings.of_one_thread, read_only=True, as_of=as_of)
        )
        masked = masked_arms.masked_studies(lake)
        if as_of is not None:
            masked = _masked_then_as_now(settings, lake)
        elif sentence := inspection.outdated_sentence(lake):
            tell(f"floe: {sentence}", file=sys.stderr)
        lake.use_threads(settings.lake_threads)
        count = _answered(lake, statement, masked, format=format, file=file)
    if to:
        tell(f"{counted(count, 'row')} in {to}", file=sys.stderr)


def _masked_then_as_now(settings, lake: Lake) -> Collection[str]:
    """The studies that are masked by now; UsageError for a lake as of a moment at which arms of one
    stood in it.
    """
    with Lake.open(settings, read_only=True) as now:
        studies = masked_arms.masked_studies(now)
    if masked_arms.shows_arms(lake, studies):
        raise UsageError(
            f"the lake as of then has arms in clear, and those of {', '.join(studies)} are masked until "
            f"{max(studies.values())}: ask for a later moment, or without --as-of"
        )
    return studies


def _answered(
    lake: Lake, statement: str, masked: Collection[str], *, format: str, file: BinaryIO | None
) -> int:
    """How many rows were written to the file, or printed where it is None."""
    asked = {"abandon": end_at_once, "masked": masked}
    if format == "parquet":
        with lake.answer_batches(statement, **asked) as (columns, schema, batches):
            return write_parquet(columns, schema, batches, file)
    with lake.answer(statement, **asked) as (columns, rows):
        if file is None:
            return print_rows(columns, rows, format=format)
        text = TextIOWrapper(file, encoding="utf-8", newline="")
        count = print_rows(columns, rows, format=format, file=text)
        text.detach()  # flushed, and not closed
        return count
