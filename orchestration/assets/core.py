"""The core tables as assets: each a step of `transforms.core.CORE`, and the data cut that they all read up to.

Here: reading a step's inputs as of the cut, running it, storing its rows. Not here: what a step computes.
"""
