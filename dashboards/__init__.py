"""What was computed, on screen: a Dash application over the marts.

Here: pages, figures, the marts' reader. Not here: computing an outcome.
"""
