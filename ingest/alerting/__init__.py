"""The watcher: follows what lands, judges whom it touches, remembers what was told, and tells it.

Here: what landed (kept.py), whom that touches (touched.py), the book of alerts (book.py), the loop
(watcher.py), the ways out (sinks). Not here: which records call for an alert (transforms/alerting).
"""
