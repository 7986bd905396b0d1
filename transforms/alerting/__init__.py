"""Alerts: what calls for one, whom it tells and how soon, and what changes it afterwards.

Here: the rules as data (rules.py), the causes that frames of core show (harm.py, sessions.py,
devices.py, records.py), and what is told of them once (news.py). Not here: following what lands,
telling anybody, acknowledging (ingest).
"""
