"""All topics, in the order in which they are listed.

Here: the list. Not here: their fields.
"""

from .clinics import CLINICS
from .fields import Topic
from .measurements import MEASUREMENTS
from .people import PEOPLE
from .reports import REPORTS
from .treatment import TREATMENT

TOPICS: tuple[Topic, ...] = (*CLINICS, *PEOPLE, *TREATMENT, *MEASUREMENTS, *REPORTS)

TOPIC_BY_NAME = {t.name: t for t in TOPICS}
