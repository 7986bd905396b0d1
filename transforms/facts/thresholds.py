"""Thresholds of the field that stand in rules, in filters and in words.

Here: those that no site chooses. Not here: a site's own numbers (transforms/options.py), important
changes (parameters.py), limits of protocols (limits.py).
"""

# CTCAE v5: grades of an adverse event from which it is …
MODERATE_GRADE, SEVERE_GRADE, FATAL_GRADE = 2, 3, 5

# hours after a session's start in which an event began: flag of mart.adae -> hours; the longest is
# how long an event that names no session belongs to one
SESSION_WINDOWS_H = {"SESS24FL": 24, "SESS72FL": 72}
SESSION_WINDOW_H = max(SESSION_WINDOWS_H.values())

# global impression of change: 1 very much improved, 2 much improved … 6 much worse, 7 very much worse
PGIC_IMPROVED_AT_MOST, PGIC_WORSE_AT_LEAST = 2, 6
