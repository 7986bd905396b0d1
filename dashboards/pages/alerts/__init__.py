"""The top of the safety page: alerts, who has them in hand, what is due.

Here: its layout and callbacks (page.py), and what they need. Not here: what several pages share
(the modules beside this folder).
"""
