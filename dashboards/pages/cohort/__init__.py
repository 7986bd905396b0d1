"""The cohort page: pain over time, responders, mobility, arms.

Here: its layout and callbacks (page.py), and what they need. Not here: what several pages share
(the modules beside this folder).
"""
