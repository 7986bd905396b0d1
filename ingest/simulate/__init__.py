"""Clinics that behave: simulated events with a known truth, from a seed.

Here: the package's public names. Not here: publishing (ingest/stream/) and the verb
(orchestration/cli.py).
"""

from .effects import Effects, SideEffect
from .plan import Plan, Returns
from .run import Simulation, simulate, simulate_live, write_ndjson
from .truth import Broken, Truth

__all__ = [
    "Broken",
    "Effects",
    "Plan",
    "Returns",
    "SideEffect",
    "Simulation",
    "Truth",
    "simulate",
    "simulate_live",
    "write_ndjson",
]
