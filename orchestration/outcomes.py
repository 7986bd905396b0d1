"""What `floe outcomes` does: a summary of any stratum, computed as it is asked for, printed.

Here: what was asked for, and what of it is printed. Not here: counting
(transforms/marts/outcomes_asked.py), printing (printing.py).
"""

import sys
from dataclasses import dataclass

import polars as pl
import polars.selectors as cs

from ingest import inspection
from ingest.lake import Lake
from ingest.settings import Settings
from transforms.errors import Missing, UsageError
from transforms.facts.catalogue import METRICS
from transforms.facts.estimands import STRATEGIES
from transforms.facts.values import ALL, FIRST, LATEST, MASKED, NONE, UNKNOWN
from transforms.marts import outcomes_asked

from .cut import cut_in_force
from .printing import print_frame, require_format
from .telling import tell

EPISODES = (FIRST, LATEST, ALL)
# A table shows these, where any row has them; JSON and CSV have the whole rows
_SHOWN = (
    "metric_id",
    "visit",
    "population",
    "arm",
    "strategy",
    "n_due",
    "n_evaluable",
    "n_missing",
    "n_event",
    "estimate",
    "ci_lower",
    "ci_upper",
    "unit",
    "reason",
)
_DIGITS = 4
# Column of a stratum -> what is asked for, and the column of core that lists what there is
_LISTED = {
    "clinic_id": ("clinic", "core.clinics", "clinic_id"),
    "modality": ("modality", "mart.adsl", "MODALITY"),
    "indication": ("indication", "mart.adsl", "INDICATN"),
    "study_id": ("study", "mart.adsl", "STUDYID"),
    "arm": ("arm", "mart.adsl", "ARM"),
}
_MOST_LISTED = 20


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody asks for; None = not narrowed."""

    metric: str | None = None
    visit: str | None = None
    stratum: dict[str, str]
    episode: str = FIRST
    strategy: str | None = None

    def __post_init__(self) -> None:
        """Raises UsageError."""
        if self.metric is not None and self.metric not in METRICS:
            raise UsageError(
                f"found the metric {self.metric!r}, expected one of mart.metric_definitions: "
                "floe sql 'SELECT metric_id, title FROM mart.metric_definitions' lists them"
            )
        _require(self.episode, EPISODES, "episode")
        if self.strategy is not None:
            _require(self.strategy, STRATEGIES, "strategy")
        if "arm" in self.stratum and "study_id" not in self.stratum:
            raise UsageError(
                "found --arm without --study: arms are told apart within a study alone"
            )

    @property
    def in_words(self) -> str:
        """Whose outcomes these are, and what counts after an opioid, injection, surgery or rescue."""
        whom = {FIRST: "first treatment episodes", LATEST: "latest treatment episodes"}.get(
            self.episode, "all treatment episodes"
        )
        how = self.strategy or "the usual strategy of each metric"
        return f"{whom}, {how} for what happens in between"


def _require(value: str, allowed: tuple[str, ...], what: str) -> None:
    if value not in allowed:
        raise UsageError(f"found the {what} {value!r}, expected {', '.join(allowed)}")


def print_outcomes(settings: Settings, asked: Asked, *, format: str) -> None:
    """Prints the rows; a sentence on standard error where there is none."""
    require_format(format)
    with Lake.open(settings, read_only=True) as lake:
        if sentence := inspection.outdated_sentence(lake):
            tell(f"floe: {sentence}", file=sys.stderr)
        rows = outcomes(lake, settings, asked)
    if rows.is_empty():
        tell("floe: nobody is in this stratum, or nothing was measured of them", file=sys.stderr)
    elif format == "table":
        tell(f"floe: {asked.in_words}; --format csv or json has every column", file=sys.stderr)
        rows = _for_reading(rows)
    print_frame(rows, format=format)


def _for_reading(rows: pl.DataFrame) -> pl.DataFrame:
    some = [c for c in _SHOWN if rows[c].null_count() < rows.height]
    return rows.select(some).with_columns(cs.float().round_sig_figs(_DIGITS))


def outcomes(lake: Lake, settings: Settings, asked: Asked) -> pl.DataFrame:
    """The rows of mart.cohort_outcomes that are asked for. Raises Missing before the first
    materialisation, UsageError for a clinic, modality, indication, study or arm that nobody has.
    """
    if lake.table("core.data_cut").is_empty():
        raise Missing("found no outcomes yet: floe materialize computes them")
    for column, value in asked.stratum.items():
        _require_there(lake, column, value)
    tables = {name.split(".")[1]: lake.table(name) for name in outcomes_asked.INPUTS}
    rows = outcomes_asked.outcomes_of(
        asked.stratum,
        episode=asked.episode,
        strategy=asked.strategy,
        options=settings.options,
        cut=cut_in_force(lake),
        **tables,
    )
    if asked.metric is not None:
        rows = rows.filter(pl.col("metric_id") == asked.metric)
    return rows if asked.visit is None else rows.filter(pl.col("visit") == asked.visit)


def _require_there(lake: Lake, column: str, value: str) -> None:
    what, table, listed_in = _LISTED[column]
    there = lake.table(table, [listed_in])[listed_in].drop_nulls().unique().sort().to_list()
    if value in (*there, NONE, UNKNOWN, MASKED):
        return
    few = ", ".join(there[:_MOST_LISTED]) + ", …" * (len(there) > _MOST_LISTED)
    raise UsageError(
        f"found the {what} {value!r}, expected one of the lake: {few or 'it has none'}"
    )
