"""The verbs of `floe`, a module a group of verbs: options and one call each.

Here: nothing but the groups. Not here: the program itself and its exit codes
(orchestration/cli.py).
"""
