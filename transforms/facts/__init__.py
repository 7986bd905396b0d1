"""Definitions as data, each once: what the schemas' columns, the marts' filters and the pages'
choices follow from.

Here: records of facts, and what follows from one by itself. Not here: arithmetic, tables, words
about a result. A module of this folder imports polars at most, so that every room can read it at no
cost.
"""
