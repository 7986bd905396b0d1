"""The pages: what each asks, and what it shows.

Here: one module a page. Not here: figures, reading, colours.
"""

from .base import Page
from .before.page import BEFORE
from .cards import CardPage
from .care.page import CARE
from .cohort.page import COHORT
from .devices.page import DEVICES
from .durability.page import DURABILITY
from .operations.page import OPERATIONS
from .patient.page import PATIENT
from .safety.page import SAFETY
from .study.page import STUDY
from .treatment.page import TREATMENT

PAGES: dict[str, Page | CardPage] = {
    page.path: page
    for page in (
        COHORT,
        STUDY,
        DURABILITY,
        TREATMENT,
        CARE,
        SAFETY,
        BEFORE,
        DEVICES,
        PATIENT,
        OPERATIONS,
    )
}

__all__ = ["PAGES"]
