"""When and in what order: Dagster definitions and the command line.

Here: doors and wiring. Not here: arithmetic, SQL beyond a table's name.
"""
