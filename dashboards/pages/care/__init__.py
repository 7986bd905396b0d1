"""The care page: medication, procedures, surgery, life.

Here: its layout and callbacks (page.py), and what they need. Not here: what several pages share
(the modules beside this folder).
"""
