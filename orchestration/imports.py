"""Which files were imported for whom, on whose clock: kept under the home, so that a second zone
does not go unsaid.

Here: the record and the warning. Not here: importing (ingest/importers), taking an import back
(floe.retractions.v1).
"""

from collections.abc import Iterator

import orjson


def source_of(value: bytes | None) -> str:
    if not value:
        return ""
    return orjson.loads(value)["source"]


def noted(settings, sources: set[str]) -> Iterator[str]:
    """Adds the sources of an import to the home's record; warns of each that was imported in
    another zone before.
    """
    record = settings.home / "imports.txt"
    before = set(record.read_text("utf-8").splitlines()) if record.exists() else set()
    if new := sources - before:
        record.parent.mkdir(parents=True, exist_ok=True)
        with record.open("a", encoding="utf-8") as file:
            file.writelines(f"{source}\n" for source in sorted(new))
    for source in sorted(sources):
        place, _, _ = source.rpartition("/")
        for other in sorted(before - {source}):
            if other.rpartition("/")[0] == place:
                yield (
                    f"the same was imported in another time zone before: {other} and {source} both stand until one is "
                    "taken back, by an event floe.retractions.v1 with its source"
                )
