"""Lines of text files as others write them: encodings, compression, what is no text at all; lines
that are left for mending.

Here: bytes -> numbered lines, and the file of those that could not be read. Not here: what a line
means.
"""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from transforms.errors import UnreadableFile

SHOWN = 60  # characters of a file in a message: enough to find the place, too few to carry a person's data
_GZIP, _ZIP = b"\x1f\x8b", b"PK"
_WIDE = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def excerpt(text: str | bytes) -> str:
    """The start of what was found, short."""
    if isinstance(text, bytes):
        text = text[: 4 * SHOWN].decode(errors="replace")
    text = text.strip()
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")


@contextmanager
def opened(path: Path, *, expected: str) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked where it is gzip. Raises UnreadableFile for a folder, a ZIP, a
    damaged archive.
    """
    try:
        with path.open("rb") as file:
            head = file.peek(2)[:2]
            if head == _ZIP:
                raise UnreadableFile(
                    f"{path}: found a ZIP archive or a spreadsheet, {expected}: unpack or export it first"
                )
            if head == _GZIP:
                with gzip.open(file) as unpacked:
                    yield BufferedReader(unpacked)
            else:
                yield file
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "a damaged gzip file"
        raise UnreadableFile(f"{path}: found {reason}, {expected}") from error


def bytes_of(path: Path, *, expected: str) -> bytes:
    """The whole file in UTF-8, without a byte order mark."""
    with opened(path, expected=expected) as file:
        text = file.read()
    if text[:2] in _WIDE:
        text = text.decode("utf-16", errors="replace").encode()
    return text.removeprefix(b"\xef\xbb\xbf")


def text_lines(path: Path, *, expected: str) -> Iterator[tuple[int, str]]:
    """Number and text of each line: UTF-8 (with a mark or without), UTF-16 by its mark, bytes that
    are neither Latin-1.
    """
    with opened(path, expected=expected) as file:
        encoding = _WIDE.get(file.peek(2)[:2], "utf-8-sig")
        text = TextIOWrapper(file, encoding=encoding, errors="surrogateescape")
        try:
            for number, line in enumerate(text, 1):
                yield number, _whole(line.rstrip("\n"))
        finally:
            text.detach()


def _whole(line: str) -> str:
    if line.isascii():
        return line
    try:
        line.encode()
    except UnicodeEncodeError:
        return line.encode(errors="surrogateescape").decode("latin-1")
    return line


@dataclass
class Unread:
    """Lines that could not be read, by file: line number -> why. They are left out, named, and kept
    for mending.
    """

    by_file: dict[Path, dict[int, str]] = field(default_factory=dict)
    headings: dict[Path, int] = field(
        default_factory=dict
    )  # the line of the columns' names, which goes along

    def add(self, path: Path, line: int, why: str) -> None:
        self.by_file.setdefault(path, {})[line] = why

    def __len__(self) -> int:
        return sum(map(len, self.by_file.values()))

    def sentences(self) -> Iterator[str]:
        for path, lines in self.by_file.items():
            for number, why in sorted(lines.items()):
                yield f"{path}, line {number}: {why}"

    def leave_for_mending(self) -> list[Path]:
        """Writes each file's unread lines, after its heading, to `NAME.rejected.ENDING` beside it,
        or here.
        """
        return [
            _left(path, set(lines), heading=self.headings.get(path, 0))
            for path, lines in self.by_file.items()
        ]


def _left(path: Path, numbers: set[int], *, heading: int) -> Path:
    name = path.name.removesuffix(".gz")
    stem, dot, ending = name.rpartition(".")
    name = f"{stem}.rejected.{ending}" if dot else f"{name}.rejected"
    kept = [
        text
        for number, text in text_lines(path, expected="")
        if number in numbers or number == heading
    ]
    for place in (path.with_name(name), Path(name)):
        try:
            place.write_text("\n".join(kept) + "\n", "utf-8")
        except OSError:
            continue
        return place
    raise UnreadableFile(
        f"{name} can't be written, neither beside {path} nor here: start in a folder that you may write to"
    )
