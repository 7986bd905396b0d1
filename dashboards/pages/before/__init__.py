"""The page before the session: who is expected and what to look at first.

Here: its layout and callbacks (page.py), and what they need. Not here: what several pages share
(the modules beside this folder).
"""
