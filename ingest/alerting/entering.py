"""Causes become alerts: what is news of them goes into the book, with whom it is to be told to.

Here: steps 3 and 4 of the watcher. Not here: the causes (look.py, measured.py), what is news of them
(transforms/alerting/news.py), the book (book.py), who is told (telling.py).
"""

from datetime import datetime

import polars as pl

from transforms.alerting.news import OF_MANY, alert_ids, news, of_many

from .book import Book
from .duty import Duty
from .telling import tell


def enter(
    book: Book,
    duty: Duty,
    causes: pl.DataFrame,
    looked_at: pl.DataFrame,
    *,
    now: datetime,
    is_whole: bool = True,
) -> None:
    """`is_whole`: whether these are all causes of the subjects; others then are gone."""
    standing = book.standing(alert_ids(causes, key=book.key), looked_at)
    judged = looked_at if is_whole else looked_at.clear()
    changes = news(causes, standing, judged=judged, key=book.key)
    if changes["rule"].is_in(OF_MANY).any():
        changes = of_many(changes, book.standing_open(OF_MANY))
    with book.change():
        book.enter(changes, now=now)
        for row in changes.iter_rows(named=True):
            tell(book, duty, row["alert_id"], news=row["news"], now=now)
        if not changes.is_empty():
            _promote(book, duty, now=now)


def _promote(book: Book, duty: Duty, *, now: datetime) -> None:
    """Of what has many alerts of one cause, the oldest is told once the one that was told is
    closed.
    """
    for alert in book.untold_causes(OF_MANY):
        alert_id, revision = alert["alert_id"], alert["revision"] + 1
        book.update(alert_id, tier="today", told_at=now, digested_at=None, revision=revision)
        tell(book, duty, alert_id, news="raised", now=now)
