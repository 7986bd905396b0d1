"""What tells of an arm, apart: in `raw` it is sealed under a key of its own.

Here: the key, sealing rows on their way into `raw`, opening them for core. Not here: which fields
tell (transforms/facts/masking.py, may_tell.py), what of an opened row stands in core
(rules/masking.py there).

All arms are sealed, whether their study is masked or not: the study's record may come after the
enrolment, and `masked_until` may be moved. Whoever reads the lake, its files or its catalog finds
null in those fields, and beside them bytes that say nothing: of a record the same fields give the
same bytes (so that copies stay copies), of two records of one arm other bytes, and their length is
that of a block. Of topics that have no arm, an unknown field that may tell of one is sealed within
`extra`.

The key is FLOE_ARMS_SECRET, else the file `arms.key` of the home, 0600. Whoever has the key and the
lake has the arms. Kafka holds the events as they were sent.
"""

import base64
import hashlib
import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import orjson
import polars as pl
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from transforms.errors import FloeError, UsageError
from transforms.facts.masking import NOT_SHOWN, SEALED, TELLING
from transforms.schemas import TOPIC_BY_NAME, Table
from transforms.schemas.raw import REJECTS

from .may_tell import may_tell, names_an_arm, parted, shown_field, telling_fields

KEY_FILE = "arms.key"
_SHORTEST = 16  # characters of a secret of the site's own
_KEY = re.compile(r"[0-9a-f]{128}")
_BLOCK = 256  # bytes: the least that is sealed, so that a length names no arm
_NAME_BYTES = 8  # of a key, before what is sealed under it
_MARK = b"floe-sealed-1:"  # before the bytes of a reject
_TEXT_MARK = _MARK.decode()
_EXTRA = "extra"


class Sealer:
    """Seals and opens with the keys of a site; its file is made at the first row to seal."""

    def __init__(self, settings) -> None:
        self._settings = settings
        self._keys: list[bytes] = []  # the first seals, all open

    # --- into raw --------------------------------------------------------------------------------

    def sealed(self, table: Table, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows of a table of `raw` as they are kept; those of other tables as they are."""
        if table.full_name == REJECTS.full_name:
            return self._sealed_rejects(frame)
        if table.schema == "raw" and table.name in TELLING:
            return self._sealed_fields(table, frame)
        if table.schema == "raw" and _EXTRA in table.names and frame[_EXTRA].count():
            texts = [self._sealed_extra(text, about=table.name) for text in frame[_EXTRA]]
            return frame.with_columns(pl.Series(_EXTRA, texts, dtype=pl.String))
        return frame

    def _sealed_fields(self, table: Table, frame: pl.DataFrame) -> pl.DataFrame:
        columns = list(TELLING[table.name])
        record_id = TOPIC_BY_NAME[table.name].record_id
        own = list(dict.fromkeys((record_id, "study_id", SEALED, *columns)))
        blobs = [
            self._seal(telling_fields(row, columns), about=(table.name, row[record_id]))
            for row in frame.select(own).iter_rows(named=True)
        ]
        is_sealed = pl.Series([blob is not None for blob in blobs], dtype=pl.Boolean)
        kept = [pl.when(~is_sealed).then(c).alias(c) for c in columns]
        blob = pl.Series(SEALED, blobs, dtype=pl.Binary)
        return frame.with_columns(pl.coalesce(blob, SEALED).alias(SEALED), *kept)

    def _sealed_rejects(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Bytes and headers of records that may tell, and what is said of their content."""
        rows = [
            self._sealed_reject(row)
            if may_tell(row["kafka_topic"], row["value"], row["headers"])
            else row
            for row in frame.iter_rows(named=True)
        ]
        return pl.DataFrame(rows, schema=frame.schema, orient="row")

    def _sealed_reject(self, row: dict) -> dict:
        value, headers = row["value"], row["headers"]
        if value and not is_sealed(value):
            value = _MARK + self._seal(value, about=("rejects",))
        if headers and not headers.startswith("{"):
            headers = orjson.dumps(
                self._sealed_object(orjson.loads(headers), about="rejects")
            ).decode()
        return row | {
            "value": value,
            "headers": headers,
            "field": shown_field(row["kafka_topic"], row["field"]),
            "detail": row["detail"] and NOT_SHOWN,
        }

    def _sealed_extra(self, text: str | None, *, about: str) -> str | None:
        """The unknown fields of a record whose topic has no arm: one that may tell is within."""
        if text is None or not names_an_arm(text):
            return text
        fields = orjson.loads(text)
        if _holds_sealed(fields):
            return text
        shown, telling = parted(fields)
        if SEALED in shown:  # a field of the producer's own
            telling[SEALED] = shown.pop(SEALED)
        return orjson.dumps(shown | self._sealed_object(telling, about=about)).decode()

    def _sealed_object(self, content: dict | list, *, about: str) -> dict[str, str]:
        """An object of one field, what is sealed."""
        blob = self._seal(orjson.dumps(content), about=(about, _EXTRA))
        return {SEALED: _TEXT_MARK + base64.b64encode(blob).decode()}

    def _seal(self, content: bytes | None, *, about: Iterable[str]) -> bytes | None:
        if not content:
            return None
        key = self._for_sealing()
        padded = len(content).to_bytes(4, "big") + content
        size = max(_BLOCK, 1 << (len(padded) - 1).bit_length())
        return _name(key) + AESSIV(key).encrypt(padded.ljust(size, b"\0"), _about(about))

    # --- out of raw ------------------------------------------------------------------------------

    def opened(self, name: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows of `raw.NAME` as they arrived, in memory: for computing core, which leaves out what
        is masked. FloeError where a key is lacking.
        """
        if name == REJECTS.name:
            return frame.with_columns(
                pl.Series(c, map(self._record, frame[c]), dtype=frame.schema[c])
                for c in ("value", "headers")
                if c in frame.columns
            )
        if name not in TELLING and _EXTRA in frame.columns:
            texts = [self._opened_extra(text, about=name) for text in frame[_EXTRA]]
            return frame.with_columns(pl.Series(_EXTRA, texts, dtype=pl.String))
        if SEALED not in frame.columns or name not in TELLING:
            return frame
        record_id = TOPIC_BY_NAME[name].record_id
        names = [c for c in TELLING[name] if c in frame.columns]
        fields = [
            orjson.loads(self._open(blob, about=(name, record)) or b"{}")
            for record, blob in frame.select(record_id, SEALED).iter_rows()
        ]
        columns = [pl.Series(c, [f.get(c) for f in fields], dtype=pl.String) for c in names]
        return frame.with_columns(pl.coalesce(pl.col(c.name), c).alias(c.name) for c in columns)

    def _record(self, content: bytes | str | None) -> bytes | str | None:
        """Bytes or headers of a reject."""
        if isinstance(content, str):
            if not content.startswith("{"):
                return content
            return orjson.dumps(
                self._content(orjson.loads(content)[SEALED], about="rejects")
            ).decode()
        if not is_sealed(content):
            return content
        return self._open(content.removeprefix(_MARK), about=("rejects",))

    def _opened_extra(self, text: str | None, *, about: str) -> str | None:
        fields = orjson.loads(text or "{}")
        if not _holds_sealed(fields):
            return text
        content = self._content(fields.pop(SEALED), about=about)
        return orjson.dumps(fields | content).decode()

    def _content(self, text: str, *, about: str) -> dict | list:
        blob = base64.b64decode(text.removeprefix(_TEXT_MARK))
        return orjson.loads(self._open(blob, about=(about, _EXTRA)))

    def _open(self, blob: bytes | None, *, about: Iterable[str]) -> bytes | None:
        if blob is None:
            return None
        key = next((k for k in self._for_opening() if _name(k) == blob[:_NAME_BYTES]), None)
        if key is None:
            raise FloeError(
                f"arms are sealed under a key that is not here: bring back {_path(self._settings)}, or "
                "FLOE_ARMS_SECRET, as they were where these records landed"
            )
        try:
            padded = AESSIV(key).decrypt(blob[_NAME_BYTES:], _about(about))
        except InvalidTag as error:
            raise FloeError(
                f"what is sealed of {'/'.join(about)} is not what was written: run floe verify --deep"
            ) from error
        return padded[4 : 4 + int.from_bytes(padded[:4], "big")]

    # --- keys ------------------------------------------------------------------------------------

    def _for_sealing(self) -> bytes:
        self._keys = self._keys or _keys(self._settings) or [_made(self._settings)]
        return self._keys[0]

    def _for_opening(self) -> list[bytes]:
        self._keys = self._keys or _keys(self._settings)
        return self._keys


def has_key(settings) -> bool:
    """Whether the site has a key already: who only reads makes none."""
    return bool(_keys(settings))


def where(settings) -> str:
    """Where the key is, in words."""
    if settings.arms_secret:
        return "FLOE_ARMS_SECRET"
    return str(_path(settings))


def kept_files(settings) -> dict[str, bytes]:
    """What a backup holds of it: a file's name below the home -> its content. A secret of the
    site's own is in none.
    """
    path = _path(settings)
    if path.exists():
        return {KEY_FILE: path.read_bytes()}
    return {}


def is_sealed(value: bytes | None) -> bool:
    """Whether these bytes of a reject are sealed."""
    return value is not None and value.startswith(_MARK)


def _holds_sealed(fields: dict) -> bool:
    return str(fields.get(SEALED)).startswith(_TEXT_MARK)


def _about(names: Iterable[str | None]) -> list[bytes]:
    return [(name or "").encode() for name in names]


def _name(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=_NAME_BYTES, person=b"floe.arms").digest()


def _path(settings) -> Path:
    return settings.home / KEY_FILE


def _keys(settings) -> list[bytes]:
    """The site's secret first, then the lines of the file, the newest first."""
    keys = [_of_secret(settings.arms_secret)] if settings.arms_secret else []
    path = _path(settings)
    if not path.exists():
        return keys
    lines = path.read_text(encoding="ascii", errors="replace").split()
    if not lines or not all(_KEY.fullmatch(line) for line in lines):
        raise UsageError(
            f"{path} should hold 128 hexadecimal digits a line, the keys under which arms are sealed, and does not: "
            "take it from a backup"
        )
    return keys + [bytes.fromhex(line) for line in reversed(lines)]


def _of_secret(secret: str) -> bytes:
    if len(secret) < _SHORTEST:
        raise UsageError(
            f"FLOE_ARMS_SECRET has fewer than {_SHORTEST} characters: take a longer one, at random"
        )
    return hashlib.sha512(secret.encode()).digest()


def _made(settings) -> bytes:
    """A new key, in a file that is whole or not there; of two processes that make one, one does."""
    path, part = _path(settings), settings.home / f"{KEY_FILE}.{os.getpid()}.{secrets.token_hex(4)}"
    settings.home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(64))
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink()
    return _keys(settings)[0]
