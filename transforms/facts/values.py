"""Values that the marts write where there is no name, and that pages look for.

Here: each once, with what it stands for. Not here: closed lists of the contract (schemas/raw).
"""

NONE = "(none)"  # no arm; no reference arm that is named
UNKNOWN = "(unknown)"  # a name that is not known
MASKED = "(masked)"  # an arm, while its study is masked
OTHERS = "(all others)"  # what a clinic is compared with
# what rates of adverse events are compared between, in the order in which pairs are shown
COMPARED = ("arm", "modality", "clinic_id")
EVENT_RATE_RATIO = "adverse_event_rate_ratio"  # the metric of such a pair
ROUTINE = "ROUTINE"  # the study of routine care

COMPLETERS = "completers"  # who has the visit's value
MISSING_AS_NONRESPONDER = "missing_as_nonresponder"  # who is due: without a value not a responder
OBSERVED = "observed"  # who has a value at any visit of a model of all of them

COLD_INJURIES = ("burn", "frostbite")  # kinds of injury (AEINJ) that cold makes

# outcomes of an adverse event that was still there when last heard of
UNENDED = ("ongoing", "resolving")

# states of a report that is due, in the order in which they are shown; those with a date to come
REPORT_STATES = (
    "overdue",
    "due_now",
    "open",
    "no_date",
    "no_rule",
    "voluntary",
    "reported_late",
    "reported",
)
DATED_STATES = ("open", "overdue")

# states of an alert that somebody took up
TAKEN_UP = ("acknowledged", "investigating", "closed")

BASELINE_POINTS = 12  # points from which a control chart has fixed limits; fewer give trial limits

FIRST, LATEST, ALL = "first", "latest", "all"  # which treatment episodes a summary is of
