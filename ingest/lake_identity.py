"""Whose data these are: a lake's identity stands in its catalog, beside its files and in the home.

Here: noting it, comparing it at each opening, refusing a new catalog beside what another one wrote.
Not here: attaching (lake/), bringing a copy back (floe restore).

    DATA/floe-lake.json          {"lake": the identity}: of the files below, whatever became of the catalog
    HOME/lake/floe-lake.json     {"lakes": {catalog: the identity}}: what this home has had, whatever became of both

Without it a catalog that vanished is made anew in silence, and all that landed before seems never
to have been.
"""

import json
import os
from contextlib import suppress
from pathlib import Path

from transforms.counting import counted
from transforms.errors import CatalogMissing, FilesMissing

from .durability import write_durably
from .lake_attach import data_folder, sql_text
from .lake_catalog import lake_id, named_files
from .secrecy import hidden

NAME = "floe-lake.json"
_TORN = "an identity that can't be read"
_TRIED_FILES = 20


def require_same(cursor, settings, *, is_read_only: bool) -> None:
    """Notes the identity where it is not noted yet; CatalogMissing where the files are another
    lake's, FilesMissing where a catalog that names files has none of them beside it (a disk that is
    not mounted).
    """
    of_catalog, of_data = lake_id(cursor), beside(cursor, settings)
    if of_data not in (None, _TORN, of_catalog):
        raise CatalogMissing(
            f"the catalog {_catalog(settings)} is of the lake {of_catalog}, the files at {settings.data_path} are of "
            f"the lake {of_data}: nothing was changed; set FLOE_CATALOG and FLOE_DATA to the two that belong together, "
            "or bring back the catalog of these files from a copy (floe restore; floe backup makes them)"
        )
    if is_read_only:
        return
    if of_data != of_catalog:
        _require_files(cursor, settings)
        _note_beside(cursor, settings, of_catalog)
    if _in_home(settings) != of_catalog:
        _note_in_home(settings, of_catalog)


def require_none(cursor, settings) -> None:
    """CatalogMissing where a catalog is to be made and a lake was there before: its files, or its
    name in this home.
    """
    of_data, files = beside(cursor, settings), _count(cursor, settings)
    if of_data or files:
        whose = f"of the lake {of_data}" if of_data else "of a lake without a name"
        raise CatalogMissing(
            f"the lake's catalog {_catalog(settings)} is gone or empty, and {settings.data_path} holds "
            f"{counted(files, 'Parquet file')} {whose}: nothing was made, nothing removed. Bring the catalog back: the file itself, or a "
            "copy of the lake (floe restore; floe backup makes them). To begin a new lake beside it, set another "
            "FLOE_HOME (and FLOE_DATA); what Kafka still has lands in it again"
        )
    if of_home := _in_home(settings):
        raise CatalogMissing(
            f"this home had the lake {of_home}, and neither its catalog {_catalog(settings)} nor its files at "
            f"{settings.data_path} are there: nothing was made. Is a disk not mounted, FLOE_DATA or FLOE_CATALOG "
            "another than before? Bring it back from a copy (floe restore; floe backup makes them). To begin a new "
            f"lake, remove {_home_file(settings)}"
        )


def beside(cursor, settings) -> str | None:
    """The identity that stands beside the files; None where there is none."""
    texts = _texts(cursor, settings)
    if not texts:
        return None
    try:
        return str(json.loads(texts[0])["lake"])
    except (ValueError, KeyError, TypeError):
        return _TORN


def _texts(cursor, settings) -> list[str]:
    if folder := data_folder(settings):
        file = folder / NAME
        return [file.read_text(errors="replace")] if file.exists() else []
    pattern = _at(settings, NAME.replace(".json", "*.json"))
    return [
        text for (text,) in cursor.execute(f"SELECT content FROM read_text('{pattern}')").fetchall()
    ]


def _note_beside(cursor, settings, identity: str) -> None:
    if folder := data_folder(settings):
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(folder / NAME, json.dumps({"lake": identity}) + "\n")
    else:
        cursor.execute(
            f"COPY (SELECT '{identity}' AS lake) TO '{_at(settings, NAME)}' (FORMAT json)"
        )


def _count(cursor, settings) -> int:
    if folder := data_folder(settings):
        return sum(1 for _ in folder.rglob("*.parquet"))
    return cursor.execute(
        f"SELECT count(*) FROM glob('{_at(settings, '**/*.parquet')}')"
    ).fetchone()[0]


def _at(settings, name: str) -> str:
    folder = settings.data_path.rstrip("/")
    return sql_text(f"{folder}/{name}")


def _require_files(cursor, settings) -> None:
    """Of an earlier release's lake, and of one whose files' folder is another than before."""
    folder = data_folder(settings)
    named = [f.path for f in named_files(cursor) if f.is_current][-_TRIED_FILES:]
    if folder and named and not any((folder / path).exists() for path in named):
        raise FilesMissing(
            f"the catalog {_catalog(settings)} names files such as {named[0]}, and {settings.data_path} holds none of "
            "them: nothing was changed. Is a disk not mounted, or FLOE_DATA another than before? Else bring the lake "
            "back from a copy (floe restore; floe backup makes them)"
        )


def _home_file(settings) -> Path:
    return settings.home.absolute() / "lake" / NAME


def _catalog(settings) -> str:
    return hidden(settings.catalog_uri, settings)


def _key(settings) -> str:
    """Which catalog: a home that moves takes its own along."""
    if not settings.catalog:
        return "in the home"
    return _catalog(settings)


def _remembered(settings) -> dict[str, str]:
    try:
        return dict(json.loads(_home_file(settings).read_text())["lakes"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _in_home(settings) -> str | None:
    return _remembered(settings).get(_key(settings))


def _note_in_home(settings, identity: str) -> None:
    lakes = _remembered(settings) | {_key(settings): identity}
    with suppress(PermissionError):  # a home that is not ours to write: the other two places remain
        os.makedirs(_home_file(settings).parent, exist_ok=True)
        write_durably(_home_file(settings), json.dumps({"lakes": lakes}, indent=1) + "\n")
