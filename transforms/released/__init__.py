"""A release as a reader from outside the clinic gets it: every summary with rounded counts, the
figures that follow from them, and nothing that all tables together would tell.

Here: a table's rows as released (as_released.py; figures.py, safety.py, curves.py, risks.py,
courses.py), and a whole release against a reader who solves for what is hidden (whole_release.py).
Not here: the rules that act on one table's own rows, which marts use too (transforms/disclosure),
when a release is made (orchestration/releases.py).
"""
