"""Which of all that landed counts: identity, corrections, retractions, clashes, doubles, and an
account of the rest.

Here: one question about records a module. Not here: what the records that count mean (rules).
"""
