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
PARAMETER = "parameter"
VISIT = "visit"
RESTRICTION = "restriction"
FUNNEL_OF = "funnel"
CHART_OF = "chart"
PATIENT = "patient"
EPISODE = "episode"  # of which treatment episodes outcomes are
STRATEGY = "strategy"  # what an event between Day 1 and a visit does to them
GROUPING = "grouping"  # what adverse events are grouped by
ALERT = "alert"  # the alert that is opened: what a delivery links to

# a name is of one page: a callback's outputs must all be there
CURVE_OF = "curve"
CURVE_AT = "curve_visit"
DOSE_OF = "dose"
DOSE_AT = "dose_visit"
LIFE_AT = "life_visit"


def control(query_name: str) -> str:
    """The control that sets this name of the URL's query."""
    return f"choose-{query_name}"


# what pages fill beside charts
EPISODES = "episodes"  # what is said of them
PATIENT_EPISODES = "patient-episodes"
COHORT_TILES, COMPARISONS, COMPARISON_TABLE = "cohort-tiles", "comparisons", "comparison-table"
DURABILITY_TILES = "durability-tiles"
STUDY_CHOICE, STUDY_MASKED, STUDY_PRIMARY = "study-choice", "study-masked", "study-primary"
STUDY_FLOW, STUDY_PLAN, STUDY_SETS = "study-flow", "study-plan", "study-sets"
TREATMENT_TILES, SESSIONS_TO_SEE, AMOUNTS = "treatment-tiles", "sessions-to-see", "amounts"
CARE_TILES = "care-tiles"
SAFETY_TILES, RATES_TABLE, DEADLINES, UNREAD = "safety-tiles", "rates-table", "deadlines", "unread"
SERIOUS = "serious-events"
SERIOUS_SAID = "serious-said"
SPC_ICONS = "spc-icons"
ALL_CHARTS = "all-charts"
ALERTS = "alerts"
ALERT_OPENED = "alert-opened"
ALERT_MORE = "alert-more"
ALERT_FORM = "alert-form"
ALERT_FORM_FRAME = "alert-form-frame"
ALERT_SAID = "alert-said"
ALERT_SEEN = "alert-seen"  # the alert and revision that the page shows
ALERT_SENT = "alert-sent"  # the last attempt to act
ALERT_LANDING = "alert-landing"  # asks again while an act is on the way
ALERT_BY = "alert-by"
ALERT_FINDING = "alert-finding"
ALERT_ACTION = "alert-action"
ALERT_DUE = "alert-due"
ALERT_ACKNOWLEDGE = "alert-acknowledge"
ALERT_INVESTIGATE = "alert-investigate"
ALERT_CLOSE = "alert-close"
PATIENT_FACTS = "patient-facts"
PATIENT_REASONS = "patient-reasons"
PATIENT_EVENTS = "patient-events"
OPERATIONS_TILES = "operations-tiles"
PARTS = "parts"
WORKERS = "workers"
CHECKS = "checks"
RESTATED = "restated"
COMPARED = "compared"
REJECTS = "rejects"
REJECT_EXAMPLES = "reject-examples"
TOPICS = "topics"
UNKNOWN = "unknown-content"

BEFORE, WHO_ELSE, DEVICE_LIST = "before-sessions", "who-else", "device-list"
DEVICE_FORM = "device-form"
DEVICE_BY = "device-by"
DEVICE_WHY = "device-why"
DEVICE_FROM = "device-from"
DEVICE_OUT = "device-out"
DEVICE_BACK = "device-back"
DEVICE_SAID = "device-said"

# charts
TRAJECTORY = "trajectory"
RESPONDERS = "responders"
STEPS = "steps"
WALKING_SPEED = "walking-speed"
DIFFERENCES = "differences"
RISK_DIFFERENCES = "risk-differences"
STUDY_DIFFERENCES = "study-differences"
RELIABLE_CHANGE, IMPORTANT_CHANGE = "reliable-change", "important-change"
LOSS = "loss"
RELAPSE = "relapse"
COMING_BACK, COURSE_RELIEF = "coming-back", "course-relief"
CUMULATIVE = "cumulative-response"
DISAGREEMENT = "rule-disagreement"
CLEARANCE = "clearance"
WITHIN_LIMITS = "within-limits"
COURSE_DELIVERED = "course-delivered"
CLINIC_TREATMENT = "clinic-treatment"
DOSE = "dose-response"
MEDICATION = "medication"
STOPPED = "stopped-started"
PROCEDURES = "procedures"
SURGERY = "surgery"
RESCUE = "rescue"
LIFE = "life"
EVENT_GROUPS = "event-groups"
SEVERITY, GRADES, RESOLUTION = "severity", "grades", "resolution"
CLINIC_RATES = "clinic-rates"
TERM_RATES = "term-rates"
FUNNEL = "clinic-funnel"
CONTROL_CHART = "control-chart"
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
