"""The verbs of `floe`, one module per group of verbs: options and one call each.

Here: nothing but the groups. Not here: the program itself and its exit codes
(orchestration/cli.py).
"""
