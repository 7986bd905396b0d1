"""What `floe verify` does: every proof there is, in an order in which a damaged file hides no
other.

Here: which proofs, in which order. Not here: the proofs (ingest/proofs.py, log_proofs.py,
lake_damage.py, lake_pages.py).
"""

from collections.abc import Iterator

from ingest.lake import Lake, StillLake
from ingest.lake_damage import sentences
from ingest.lake_pages import page_sentences
from ingest.log_proofs import log_proofs
from ingest.proofs import proofs
from transforms.errors import FloeError, LakeDamaged


def verify_lake(settings, *, deep: bool = False) -> Iterator[tuple[bool | None, str]]:
    """Catalog and files first: where one is damaged the other proofs may not be possible, and that
    is said in their place.
    """
    if deep:
        yield from page_sentences(settings)
    with StillLake.open(settings.of_one_thread, read_only=True) as lake:
        if deep:
            yield from sentences(lake.check_files())
        try:
            yield from proofs(lake)
            yield from _log_proofs(lake, settings)
        except LakeDamaged as error:
            yield False, str(error)


def _log_proofs(lake: Lake, settings) -> list[tuple[bool | None, str]]:
    try:
        return list(log_proofs(lake, settings))
    except FloeError as error:
        return [(None, f"whether Kafka's log is the one that landed: {error}")]
