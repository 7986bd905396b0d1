"""What a page is, and the work that every page's callback does around its own.

Here: the record of a page, running a view off the event loop, errors as sentences. Not here: any
page.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl
from dash import Input

from transforms.errors import FloeError

from .. import components, ids
from ..components import Drawn
from ..reader import Reader
from ..theme import Look

STAFF_ONLY = "Shown to the clinic's own staff only."
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Page:
    """`layout(reader)`; `register(app, reader)` adds its callbacks; `controls`: names of the query
    that it sets.
    """

    path: str
    name: str
    layout: Callable
    register: Callable
    controls: tuple[str, ...] = ()


MARTS_INPUTS = (
    Input(ids.URL, "search"),
    Input(ids.MARTS_VERSION, "data"),
    Input(ids.SCHEME, "data"),
)
STREAM_INPUTS = (
    Input(ids.URL, "search"),
    Input(ids.STREAM_VERSION, "data"),
    Input(ids.SCHEME, "data"),
)


async def off_loop(work: Callable, *args):
    """Runs `work` in a thread: the lake is asked without holding up other readers. What goes wrong
    is logged, too.
    """
    try:
        return await asyncio.to_thread(work, *args)
    except Exception:
        _LOG.exception("a page could not be drawn")
        raise


def waiting(reader: Reader) -> str:
    """Why there is nothing to see yet."""
    if not reader.is_there:
        return f"No data yet: {reader.missing or 'the lake is not there yet'}."
    if not reader.has_landed:
        return "No data yet: the lake is there and waits for its first events (floe ingest lands them)."
    if reader.is_outside and reader.release() is None:
        return "Nothing has been released yet: the first outcomes that count a patient make the first release."
    return "Events have landed; their outcomes are not computed yet (floe materialize, or a moment's patience in floe up)."


def why_unknown(reader: Reader, full_name: str) -> str | None:
    """Why nothing can be said of a table that was never computed, or is for others; None where what
    it holds, or lacks, is known.
    """
    if not reader.sees(full_name):
        return STAFF_ONLY
    return None if reader.changed_at(full_name) else waiting(reader)


def guarded(draw: Callable[[], Drawn], *, of: Look) -> Drawn:
    """What `draw` gives; an error of the lake becomes the card's sentence."""
    try:
        return draw()
    except FloeError as error:
        return components.nothing(f"This can't be shown: {error}", of=of)


_SUMMARIES = ("cohort_outcomes", "adverse_event_rates")


def values_of(reader: Reader, columns: Sequence[str], where: str) -> pl.DataFrame:
    """The distinct values of columns that name a stratum, as the summaries have them where the
    condition holds.
    """
    parts = (reader.distinct(name, columns, where) for name in _SUMMARIES)
    values = pl.concat(parts)
    return values.unique()


def studies_of(reader: Reader) -> dict[str, list[str]]:
    """Study -> its arms, in order, as the summaries have them; empty where there are none yet."""
    pairs = values_of(reader, ["study_id", "arm"], "strata = ['study_arm']")
    by_study = pairs.sort("study_id", "arm").group_by("study_id", maintain_order=True).agg("arm")
    return dict(by_study.iter_rows())


def clinic_names(reader: Reader) -> dict[str, str]:
    """Clinic id -> its name with the id; without a name the id."""
    clinics = reader.core("clinics").select("clinic_id", "name").sort("clinic_id")
    return {id: f"{name} ({id})" if name else id for id, name in clinics.iter_rows()}
