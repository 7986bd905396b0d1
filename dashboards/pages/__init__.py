"""The pages: what each asks, and what it shows.

Here: one module a page. Not here: figures, reading, colours.
"""

from .base import Page
from .before import BEFORE
from .cards import CardPage
from .care import CARE
from .cohort import COHORT
from .devices import DEVICES
from .durability import DURABILITY
from .operations import OPERATIONS
from .patient import PATIENT
from .safety import SAFETY
from .treatment import TREATMENT

PAGES: dict[str, Page | CardPage] = {
    page.path: page for page in (COHORT, DURABILITY, TREATMENT, CARE, SAFETY, BEFORE, DEVICES, PATIENT, OPERATIONS)
}

__all__ = ["PAGES"]
