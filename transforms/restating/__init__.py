"""Figures that a release has shown and that are others now, and why.

Here: of frames, which (figures.py), because of which events (landed.py, topics.py), under which
versions of their rules (metric_versions.py). Not here: reading the lake (orchestration/restating.py).
"""
