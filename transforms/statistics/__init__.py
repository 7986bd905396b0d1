"""Estimators that know no table: numbers and frames in, estimates with their intervals out; usable
by anyone.

Here: one family of methods a module. Not here: which rows and columns they are given (marts),
clinical rules (rules).
"""
