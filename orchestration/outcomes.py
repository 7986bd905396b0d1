"""What `floe outcomes` does: a summary of any stratum, computed as it is asked for, printed.

Here: what was asked for, and what of it is printed. Not here: counting
(transforms/marts/outcomes_asked.py), printing (printing.py).
"""

import sys
from dataclasses import dataclass

import polars as pl

from ingest import inspection
from ingest.lake import Lake
from ingest.settings import Settings
from transforms.errors import Missing, UsageError
from transforms.facts.catalogue import METRICS
from transforms.facts.estimands import STRATEGIES
from transforms.facts.values import ALL, FIRST, LATEST
from transforms.marts import outcomes_asked

from .cut import read_cut
from .printing import print_frame, require_format
from .telling import tell

EPISODES = (FIRST, LATEST, ALL)
# What is printed; the whole row is in JSON
_COLUMNS = (
    "metric_id",
    "visit",
    "population",
    "episode",
    "strategy",
    "arm",
    "n_patients",
    "n_episodes",
    "n_due",
    "n_evaluable",
    "n_missing",
    "n_not_evaluable",
    "n_ended",
    "n_cannot_respond",
    "n_events_between",
    "n_event",
    "estimate",
    "ci_lower",
    "ci_upper",
    "ci_clustered_lower",
    "ci_clustered_upper",
    "unit",
    "reason",
)


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


def _require(value: str, known: tuple[str, ...], what: str) -> None:
    if value not in known:
        raise UsageError(f"found the {what} {value!r}, expected {', '.join(known)}")


def print_outcomes(settings: Settings, asked: Asked, *, format: str) -> None:
    """Prints the rows; a sentence on standard error where there is none."""
    require_format(format)
    with Lake.open(settings, read_only=True) as lake:
        if sentence := inspection.outdated_sentence(lake):
            tell(f"floe: {sentence}", file=sys.stderr)
        rows = outcomes(lake, settings, asked)
    if rows.is_empty():
        tell("floe: nobody is in this stratum, or nothing was measured of them", file=sys.stderr)
    print_frame(rows if format == "json" else rows.select(_COLUMNS), format=format)


def outcomes(lake: Lake, settings: Settings, asked: Asked) -> pl.DataFrame:
    """The rows of mart.cohort_outcomes that are asked for. Missing before the first
    materialisation.
    """
    if lake.table("core.data_cut").is_empty():
        raise Missing("found no outcomes yet: floe materialize computes them")
    tables = {name.split(".")[1]: lake.table(name) for name in outcomes_asked.INPUTS}
    rows = outcomes_asked.outcomes_of(
        asked.stratum,
        episode=asked.episode,
        strategy=asked.strategy,
        options=settings.options,
        cut=read_cut(lake),
        **tables,
    )
    if asked.metric is not None:
        rows = rows.filter(pl.col("metric_id") == asked.metric)
    return rows if asked.visit is None else rows.filter(pl.col("visit") == asked.visit)
