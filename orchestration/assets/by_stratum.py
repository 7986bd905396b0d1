"""A summary of strata of which those alone are computed in which something changed.

Here: its inputs as they were, and as they are. Not here: which strata that are, and their rows
(transforms/marts/by_stratum.py), whom a change touches (following.py).
"""

from collections.abc import Mapping

import polars as pl

from transforms.marts import Mart, read_of
from transforms.marts.by_stratum import brought_forward, strata_of

from ..one_run import Run
from .parts import Part


def of_strata(
    mart: Mart, run: Run, patients: pl.Series, inputs: Mapping[str, pl.DataFrame]
) -> Part | None:
    """The rows of the strata in which the patients are, or were when the mart was last computed;
    None where what couples all strata has changed since.
    """
    then = {**inputs, **_as_of(mart, run)}
    before, now = (mart.coupled(**tables, options=run.options) for tables in (then, inputs))
    if not all(one.equals(other) for one, other in zip(before, now, strict=True)):
        return None
    strata = strata_of(patients.to_frame("patient_id"), then, inputs)
    stored = run.lake.table(mart.table.full_name)
    return Part(
        *brought_forward(
            mart, stored=stored, touched=strata, inputs=inputs, options=run.options, cut=run.cut
        )
    )


def _as_of(mart: Mart, run: Run) -> dict[str, pl.DataFrame]:
    """The inputs that changed since the mart was last computed, as they were then."""
    read_at = run.cursors[mart.table.full_name].read_at
    changed = run.changed(read_at) or frozenset(mart.inputs)
    return {
        name.split(".")[1]: run.lake.sql(
            f"SELECT {read_of(name)} FROM {name} AT (VERSION => {read_at})"
        )
        for name in mart.inputs
        if name in changed
    }
