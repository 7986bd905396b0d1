"""The operations page: whether it is healthy, and if not, where.

Here: its layout and callbacks (page.py), and what they need. Not here: what several pages share
(the modules beside this folder).
"""
