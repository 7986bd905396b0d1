"""The book of alerts: where the watcher stands, every alert as it stands, and what is still to be
told to whom.

Here: one SQLite file under the home, each change of it one transaction that is on the disk when it
returns. Not here: what is news (transforms/alerting/news.py), telling (sinks).

Positions, alerts and deliveries change together, so that whatever ends the watcher, an alert is
told for what landed once: what was told before is in the book, what was not is still to be told. A
lost book is made again from the alerts' own topic (hearing.py).
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import polars as pl

from transforms.alerting.causes import CAUSES
from transforms.alerting.news import SILENT, STANDING, STANDING_OPEN

from .book_file import make_file
from .book_rows import alert_of, as_kept
from .book_statements import (
    CLOSED_SINCE_DIGEST,
    DUE_DELIVERIES,
    ENDED,
    HURRY,
    IS_URGENT,
    NOTICED,
    TABLES,
)
from .kept import Positions

_MOST_PARAMETERS = 500  # of one statement


class Book:
    """Safe within one thread; another thread opens its own. `key`: by which alerts are named
    (names.py).
    """

    def __init__(self, path: Path, *, key: bytes = b"") -> None:
        self.key = key
        self._path = path
        make_file(path)
        self._file = os.stat(path)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._db.row_factory = sqlite3.Row
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(TABLES)
        except BaseException:
            self._db.close()
            raise

    @property
    def is_current(self) -> bool:
        """Whether the file under the path is the one that was opened: not moved away, deleted or
        replaced meanwhile.
        """
        try:
            return os.path.samestat(os.stat(self._path), self._file)
        except FileNotFoundError:
            return False

    def __enter__(self) -> "Book":
        return self

    def __exit__(self, *_) -> None:
        self._db.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """All that is done within it is one transaction: whole, or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def positions(self) -> Positions:
        """Up to where what landed was judged."""
        rows = self._db.execute("SELECT topic, topic_id, partition, next_position FROM positions")
        return {
            (topic, topic_id, partition): position for topic, topic_id, partition, position in rows
        }

    def set_positions(self, positions: Positions) -> None:
        self._db.executemany(
            "REPLACE INTO positions VALUES (?, ?, ?, ?)", [(*k, at) for k, at in positions.items()]
        )

    def standing(self, alert_ids: Iterable[str], subjects: pl.DataFrame) -> pl.DataFrame:
        """STANDING: the alerts of these ids, and those of these subjects (`subject_kind`,
        `subject_id`).
        """
        columns = ", ".join(STANDING)
        rows = self._each(f"SELECT {columns} FROM alerts WHERE alert_id IN (%s)", list(alert_ids))
        for (kind,), part in subjects.unique().partition_by("subject_kind", as_dict=True).items():
            # gravity 0: an alert of another program, whose cause is not Floe's to see
            about = f"subject_kind = '{kind}' AND gravity > 0"
            statement = f"SELECT {columns} FROM alerts WHERE {about} AND subject_id IN (%s)"
            rows += self._each(statement, part["subject_id"].to_list())
        stored = STANDING | {"evidence": pl.String, "is_closed_by_rule": pl.Int64}
        frame = pl.DataFrame([tuple(row) for row in rows], schema=stored, orient="row")
        evidence = pl.col("evidence").fill_null("[]").str.json_decode(pl.List(pl.String))
        return (
            frame.with_columns(evidence)
            .cast(dict(STANDING))
            .unique("alert_id", maintain_order=True)
        )

    def _each(self, statement: str, values: list[str]) -> list[sqlite3.Row]:
        rows = []
        for k in range(0, len(values), _MOST_PARAMETERS):
            part = values[k : k + _MOST_PARAMETERS]
            rows += self._db.execute(statement % ", ".join("?" * len(part)), part).fetchall()
        return rows

    def subjects(self, kinds: Iterable[str]) -> pl.DataFrame:
        """`subject_kind`, `subject_id` of every alert of these kinds."""
        kinds = list(kinds)
        rows = self._db.execute(
            f"SELECT DISTINCT subject_kind, subject_id FROM alerts WHERE subject_kind IN ({', '.join('?' * len(kinds))})",
            kinds,
        )
        schema = {"subject_kind": pl.String, "subject_id": pl.String}
        return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")

    def standing_open(self, rules: Iterable[str]) -> pl.DataFrame:
        """STANDING_OPEN: by cause of these rules how many alerts are not closed."""
        statement = "SELECT rule, cause, count(*) FROM alerts WHERE state <> 'closed' AND rule IN (%s) GROUP BY 1, 2"
        rows = self._each(statement, list(rules))
        return pl.DataFrame([tuple(row) for row in rows], schema=STANDING_OPEN, orient="row")

    def untold_causes(self, rules: Iterable[str]) -> list[dict]:
        """Of each cause of these rules whose open alerts are all noted, the oldest."""
        statement = (
            "SELECT alert_id, min(landed_at) FROM alerts WHERE state <> 'closed' AND rule IN (%s) "
            "GROUP BY rule, cause HAVING sum(tier <> 'noted') = 0"
        )
        return [self.alert(row["alert_id"]) for row in self._each(statement, list(rules))]

    def enter(self, news: pl.DataFrame, *, now: datetime) -> None:
        """Writes each row of news (`transforms.alerting.news`) into its alert; a closed one keeps
        what it was about.
        """
        for row in news.iter_rows(named=True):
            if row["news"] == "closed":
                self._db.execute(
                    "UPDATE alerts SET state = 'closed', is_closed_by_rule = 1, finding = ?, revision = ? WHERE alert_id = ?",
                    (row["finding"], row["revision"], row["alert_id"]),
                )
                continue
            fields = {
                name: as_kept(row[name])
                for name in ("alert_id", *CAUSES, "gravity", "state", "revision")
            }
            fields["is_closed_by_rule"] = 0
            if row["news"] not in SILENT:
                fields |= {
                    "told_at": as_kept(now),
                    "step": 0,
                    "acknowledged_at": None,
                    "acknowledged_by": None,
                    "digested_at": None,
                }
            names = ", ".join(fields)
            updates = ", ".join(
                f"{name} = excluded.{name}" for name in fields if name != "alert_id"
            )
            self._db.execute(
                f"INSERT INTO alerts ({names}) VALUES ({', '.join('?' * len(fields))}) "
                f"ON CONFLICT (alert_id) DO UPDATE SET {updates}",
                list(fields.values()),
            )

    def alert(self, alert_id: str) -> dict | None:
        """The alert as it stands; None = there is none."""
        row = self._db.execute("SELECT * FROM alerts WHERE alert_id = ?", [alert_id]).fetchone()
        if not row:
            return None
        return alert_of(row)

    def alerts(self, where: str = "true", parameters: Iterable = ()) -> list[dict]:
        """The alerts that fit, the newest first."""
        rows = self._db.execute(
            f"SELECT * FROM alerts WHERE {where} ORDER BY told_at DESC, alert_id", list(parameters)
        )
        return [alert_of(row) for row in rows]

    def take(self, alert: dict, *, is_told: bool) -> None:
        """An alert that somebody else wrote, as it stands; one that was told is in no digest to
        come.
        """
        fields = {name: as_kept(value) for name, value in alert.items()}
        fields["digested_at"] = fields["told_at"] if is_told else None
        names, places = ", ".join(fields), ", ".join("?" * len(fields))
        self._db.execute(
            f"INSERT OR REPLACE INTO alerts ({names}) VALUES ({places})", list(fields.values())
        )

    def update(self, alert_id: str, **fields) -> None:
        names = ", ".join(f"{name} = ?" for name in fields)
        self._db.execute(
            f"UPDATE alerts SET {names} WHERE alert_id = ?",
            [*(as_kept(v) for v in fields.values()), alert_id],
        )

    def set_digested(self, alert_id: str, sink: str) -> None:
        """That a digest told a sink of an alert, which is open."""
        self._db.execute("REPLACE INTO digested VALUES (?, ?, NULL)", (alert_id, sink))

    def unset_digested(self, alert_id: str, sink: str) -> None:
        self._db.execute("DELETE FROM digested WHERE alert_id = ? AND sink = ?", (alert_id, sink))

    def closed_since_digest(self, *, now: datetime) -> list[dict]:
        """`alert_id`, `sink`, `closed_at`, `rule`, `clinic_id` of what a digest told a sink and is
        closed now; `closed_at` is when that was first asked for.
        """
        self._db.execute(NOTICED, [as_kept(now)])
        self._db.execute(ENDED)
        rows = map(dict, self._db.execute(CLOSED_SINCE_DIGEST))
        return [row | {"closed_at": datetime.fromisoformat(row["closed_at"])} for row in rows]

    def has(self, sink: str, delivery_id: str) -> bool:
        statement = "SELECT 1 FROM deliveries WHERE sink = ? AND delivery_id = ?"
        row = self._db.execute(statement, (sink, delivery_id)).fetchone()
        return row is not None

    def put(
        self, sink: str, delivery_id: str, payload: Mapping, *, in_order_of: str, now: datetime
    ) -> None:
        """A delivery that is to be made; one that the book has is not put twice. What is urgent
        hurries what it waits for.
        """
        self._db.execute(
            "INSERT OR IGNORE INTO deliveries (sink, delivery_id, in_order_of, payload, made_at, due_at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (sink, delivery_id, in_order_of, json.dumps(payload), as_kept(now), as_kept(now)),
        )
        self._db.execute(HURRY, (as_kept(now), sink, in_order_of, delivery_id))

    def due(self, sink: str, *, now: datetime, most: int = 100) -> list[dict]:
        """What is to be delivered now: what is urgent first, then what was not tried yet, each as
        it came; of one subject nothing before what came earlier.
        """
        rows = self._db.execute(DUE_DELIVERIES, (sink, as_kept(now), most))
        return [dict(row) | {"payload": json.loads(row["payload"])} for row in rows]

    def newest(self, sink: str) -> int:
        """The number of the sink's newest delivery that waits; 0 = none does."""
        statement = "SELECT coalesce(max(number), 0) FROM deliveries WHERE sink = ? AND delivered_at IS NULL"
        (number,) = self._db.execute(statement, [sink]).fetchone()
        return number

    def is_urgent_since(self, sink: str, number: int) -> bool:
        """Whether something urgent came after the delivery of this number."""
        statement = f"SELECT 1 FROM deliveries WHERE sink = ? AND delivered_at IS NULL AND number > ? AND {IS_URGENT}"
        row = self._db.execute(statement, (sink, number)).fetchone()
        return row is not None

    def waiting(self) -> dict[str, tuple[int, str | None]]:
        """By sink: how many deliveries wait, and why the last attempt failed."""
        rows = self._db.execute(
            "SELECT sink, count(*), max(error) FROM deliveries WHERE delivered_at IS NULL GROUP BY sink"
        )
        return {sink: (count, error) for sink, count, error in rows}

    def told_of(self, alert_id: str) -> set[str]:
        """The sinks that were, or are to be, told of an alert."""
        rows = self._db.execute(
            "SELECT DISTINCT sink FROM deliveries WHERE in_order_of = ?", [alert_id]
        )
        return {sink for (sink,) in rows}

    def delivered(self, number: int, *, now: datetime) -> None:
        self._db.execute(
            "UPDATE deliveries SET delivered_at = ?, error = NULL WHERE number = ?",
            (as_kept(now), number),
        )

    def failed(self, number: int, *, error: str, due_at: datetime) -> None:
        self._db.execute(
            "UPDATE deliveries SET attempts = attempts + 1, error = ?, due_at = ? WHERE number = ?",
            (error, as_kept(due_at), number),
        )
