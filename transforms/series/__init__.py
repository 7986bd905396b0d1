"""Named SQL over readings and telemetry: what devices measured, by day, bout and session.

Here: one kind of series a module. Not here: what is made of a week (rules/wear.py, marts/adact.py).
"""
