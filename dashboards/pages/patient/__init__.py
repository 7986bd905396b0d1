"""One patient's page: sessions, pain, steps and events on one axis.

Here: its layout and callbacks (page.py), and what they need. Not here: what several pages share
(the modules beside this folder).
"""
