"""Clinical rules: windows, responders, wear, exposure, clearance, emergence, plausibility, what
must be reported.

Here: one rule or family of rules a module. Not here: facts as data (facts), estimators
(statistics), tables (marts).
"""
