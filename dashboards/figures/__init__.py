"""Frames to plotly figures, pure.

Here: one module a kind of figure. Not here: where frames come from (reader.py), colours (theme.py),
pages.
"""
