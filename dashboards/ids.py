"""Every component id, once.

Here: ids, and the parts of a chart's card. Not here: layouts.
"""

# the shell
PROVIDER = "provider"
URL = "url"
TITLES = "titles"
SCHEME = "scheme"
SCHEME_SWITCH = "scheme-switch"
CLOCK = "clock"
PAUSE = "pause"
MARTS_VERSION = "marts-version"
STREAM_VERSION = "stream-version"
NAVIGATION = "navigation"
FRESHNESS = "freshness"
NOTICE = "notice"
CONNECTION = "connection"
CONTENT = "content"

# filters, by the name that each has in the URL's query
FILTERS = ("study", "arm", "clinic", "modality", "indication")
PARAMETER, VISIT, RESTRICTION, FUNNEL_OF, CHART_OF, PATIENT = (
    "parameter",
    "visit",
    "restriction",
    "funnel",
    "chart",
    "patient",
)
GROUPING = "grouping"  # what adverse events are grouped by
ALERT = "alert"  # the alert that is opened: what a delivery links to

# a name is of one page: a callback's outputs must all be there
CURVE_OF, CURVE_AT, DOSE_OF, DOSE_AT, LIFE_AT = (
    "curve",
    "curve_visit",
    "dose",
    "dose_visit",
    "life_visit",
)


def control(query_name: str) -> str:
    """The control that sets this name of the URL's query."""
    return f"choose-{query_name}"


# what pages fill beside charts
COHORT_TILES, COMPARISONS, COMPARISON_TABLE = "cohort-tiles", "comparisons", "comparison-table"
DURABILITY_TILES = "durability-tiles"
TREATMENT_TILES, SESSIONS_TO_SEE, AMOUNTS = "treatment-tiles", "sessions-to-see", "amounts"
CARE_TILES = "care-tiles"
SAFETY_TILES, RATES_TABLE, DEADLINES, UNREAD = "safety-tiles", "rates-table", "deadlines", "unread"
SERIOUS, SERIOUS_SAID, SPC_ICONS, ALL_CHARTS = "serious-events", "serious-said", "spc-icons", "all-charts"
ALERTS, ALERT_OPENED, ALERT_MORE, ALERT_FORM, ALERT_FORM_FRAME, ALERT_SAID = (
    "alerts",
    "alert-opened",
    "alert-more",
    "alert-form",
    "alert-form-frame",
    "alert-said",
)
ALERT_SEEN = "alert-seen"  # the alert and revision that the page shows
ALERT_SENT = "alert-sent"  # the last attempt to act
ALERT_LANDING = "alert-landing"  # asks again while an act is on the way
ALERT_BY, ALERT_FINDING, ALERT_ACTION, ALERT_DUE = "alert-by", "alert-finding", "alert-action", "alert-due"
ALERT_ACKNOWLEDGE, ALERT_INVESTIGATE, ALERT_CLOSE = "alert-acknowledge", "alert-investigate", "alert-close"
PATIENT_FACTS, PATIENT_REASONS, PATIENT_EVENTS = "patient-facts", "patient-reasons", "patient-events"
OPERATIONS_TILES, PARTS, WORKERS, CHECKS, REJECTS, REJECT_EXAMPLES, TOPICS, UNKNOWN = (
    "operations-tiles",
    "parts",
    "workers",
    "checks",
    "rejects",
    "reject-examples",
    "topics",
    "unknown-content",
)

BEFORE, WHO_ELSE, DEVICE_LIST = "before-sessions", "who-else", "device-list"
DEVICE_FORM, DEVICE_BY, DEVICE_WHY, DEVICE_FROM, DEVICE_OUT, DEVICE_BACK, DEVICE_SAID = (
    "device-form",
    "device-by",
    "device-why",
    "device-from",
    "device-out",
    "device-back",
    "device-said",
)

# charts
TRAJECTORY, RESPONDERS, STEPS, WALKING_SPEED, DIFFERENCES, RISK_DIFFERENCES = (
    "trajectory",
    "responders",
    "steps",
    "walking-speed",
    "differences",
    "risk-differences",
)
RELIABLE_CHANGE, IMPORTANT_CHANGE = "reliable-change", "important-change"
LOSS, RELAPSE, CUMULATIVE, DISAGREEMENT = "loss", "relapse", "cumulative-response", "rule-disagreement"
CLEARANCE, WITHIN_LIMITS, COURSE_DELIVERED, CLINIC_TREATMENT, DOSE = (
    "clearance",
    "within-limits",
    "course-delivered",
    "clinic-treatment",
    "dose-response",
)
MEDICATION, STOPPED, PROCEDURES, SURGERY, RESCUE, LIFE = (
    "medication",
    "stopped-started",
    "procedures",
    "surgery",
    "rescue",
    "life",
)
EVENT_GROUPS = "event-groups"
SEVERITY, GRADES, RESOLUTION = "severity", "grades", "resolution"
CLINIC_RATES, TERM_RATES, FUNNEL, CONTROL_CHART = "clinic-rates", "term-rates", "clinic-funnel", "control-chart"
RATE_RATIOS = "rate-ratios"
DEVICE_RATES, DEVICE_CLINICS, DEVICE_RECORDS = "device-rates", "device-clinics", "device-records"
STORY, VITALS = "story", "vitals"
THROUGHPUT, LAG = "throughput", "lag"


def vital(code: str) -> str:
    """The cohort's chart of a parameter that wearables measure beside movement."""
    return f"vital-{code.lower()}"


def shown_for(path: str) -> str:
    """Of a page: the URL's query that its figures are of."""
    return f"shown-for-{path.strip('/') or 'cohort'}"


def part(chart: str, name: str) -> str:
    """A part of a chart's card: title, figure, caption, table or note."""
    return f"{chart}-{name}"
