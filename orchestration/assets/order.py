"""The tables that follow others, each after those that it is computed from.

Here: the order. Not here: what follows what (core.py, mart.py), computing (build.py).
"""

from graphlib import TopologicalSorter

from . import core, mart
from .build import Followed


def in_order() -> list[Followed]:
    """Every table of core and mart that follows others."""
    tables = {one.table.full_name: one for one in (*core.followed(), *mart.followed())}
    order = TopologicalSorter({name: set(one.inputs) for name, one in tables.items()})
    return [tables[name] for name in order.static_order() if name in tables]
