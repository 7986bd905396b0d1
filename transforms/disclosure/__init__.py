"""What a reader from outside the clinic may see of figures of people: the rules, in one place.

Here: in the order in which they act, which cells are small and which go with them (small_cells.py),
which would tell by difference to what was shown before (release.py), what is left of a row that is
marked (withheld.py), how counts and figures are made coarse (rounding.py), what parts and totals
give away together (telling.py). Not here: all of it done to a summary, and a whole release
(transforms/released), what each column is to that reader (transforms/schemas), the gate through
which rows leave the lake (dashboards/gate.py), when a release is made (orchestration/releases.py).
"""

from .small_cells import Cells, is_small, suppressed

__all__ = ["Cells", "is_small", "suppressed"]
