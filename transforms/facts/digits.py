"""With how many digits numbers are written where people read them.

Here: by unit, and by rate of events. Not here: writing (dashboards/words.py), what is rounded
before anybody outside sees it (disclosure/rounding.py).
"""

USUAL = 1
DIGITS_OF_UNIT = {"steps/day": 0, "m": 0, "steps": 0, "%": 0, "m/s": 2, "utility": 2, "K": 2}
DIGITS_OF_RATE = {
    "incidence_proportion": 1,
    "events_per_100_sessions": 2,
    "events_per_100_patient_years": 1,
    "eair_per_100_patient_years": 1,
    "events_per_1000_device_hours": 1,
}
