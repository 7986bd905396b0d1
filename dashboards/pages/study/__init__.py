"""A study's page. Here: page.py (what is asked), diagram.py (its flow), plan.py (what stands beside).

Not here: comparisons over all outcomes (the cohort page).
"""
