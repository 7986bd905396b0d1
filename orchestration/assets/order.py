"""The tables that follow others, each after those that it is computed from.

Here: the order; those that a run left alone. Not here: what follows what (core.py, mart.py), computing
(build.py).
"""

from graphlib import TopologicalSorter

from ..one_run import Run
from . import core, mart
from .build import Followed


def in_order() -> list[Followed]:
    """Every table of core and mart that follows others."""
    tables = {one.table.full_name: one for one in (*core.followed(), *mart.followed())}
    order = TopologicalSorter({name: set(one.inputs) for name, one in tables.items()})
    return [tables[name] for name in order.static_order() if name in tables]


def advance(run: Run) -> None:
    """Brings all tables to the run's cut that stand on it: those that it computed or found current,
    and those that it left alone, where nothing changed for them.
    """
    for one in in_order():
        if not run.was_visited(one.table) and one.is_untouched(run):
            run.is_current(one.table)
    run.advance()
