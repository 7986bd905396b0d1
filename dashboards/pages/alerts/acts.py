"""What people do with alerts from the page: checked, sent to Kafka, and on the way until it has
landed.

Here: one act after the other on one alert, what was sent and has not landed. Not here: the form
(opened.py), the event (ingest/alerting/standing.py).

Between sending and landing lie seconds in which raw.alerts does not know of the act: whoever acts
on the same alert meanwhile is told of it, as of one that has landed.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
import polars as pl

from ingest import stream
from ingest.alerting.standing import IN_WORDS, Act, ActedMeanwhile, act, complete
from ingest.lake_attach import catalog_file
from ingest.read_only_home import require_writable
from transforms.counting import spoken

_PATIENCE = timedelta(
    seconds=30
)  # so long an act that was sent holds up others; it stays said until it lands


@dataclass(frozen=True, kw_only=True)
class Sent:
    """An act that Kafka has, or is about to have."""

    act: Act
    event_id: str
    at: datetime

    def in_words(self, *, now: datetime) -> str:
        sentence = f"{IN_WORDS[self.act.state]}, by {self.act.by}, sent {spoken((now - self.at).total_seconds())} ago"
        if now - self.at < _PATIENCE:
            return f"{sentence}: lands in a moment"
        return f"{sentence}: has not landed yet. Kafka has it and nothing is lost; ingest may not run (see Operations)"


class Acts:
    """The acts of one application; safe between threads. `publish`: as, and by default, that of
    ingest.stream.
    """

    def __init__(self, settings, publish: Callable | None = None) -> None:
        self._settings, self._publish = settings, publish or stream.publish
        self._lock = threading.Lock()
        self._on_the_way: dict[str, Sent] = {}

    def on_the_way(self, raw: pl.DataFrame) -> dict[str, Sent]:
        """By alert: what was sent and is not among the rows of raw.alerts."""
        with self._lock:
            landed = set(raw["event_id"].filter(raw["alert_id"].is_in(list(self._on_the_way))))
            self._on_the_way = {
                id: sent for id, sent in self._on_the_way.items() if sent.event_id not in landed
            }
            return dict(self._on_the_way)

    def send(
        self, raw: pl.DataFrame, alert_id: str, given: Act, *, seen_revision: int, now: datetime
    ) -> None:
        """Publishes the act. Raises a FloeError, in a sentence, for one that can't be: then nothing
        was sent.
        """
        if (catalog := catalog_file(self._settings)) is not None:
            require_writable(catalog)  # nothing would land here
        given = complete(given)
        if before := self.on_the_way(raw).get(alert_id):
            _require_old(before, now=now)
        with self._lock:
            if (other := self._on_the_way.get(alert_id)) is not None and other is not before:
                _require_old(other, now=now)
            topic, key, value = act(raw, alert_id, given, now=now, seen_revision=seen_revision)
            sent = Sent(act=given, event_id=orjson.loads(value)["id"], at=now)
            self._on_the_way[alert_id] = sent
        try:
            self._publish(self._settings, [(topic, key, value)])
        except BaseException:
            with self._lock:
                if self._on_the_way.get(alert_id) is sent:
                    del self._on_the_way[alert_id]
            raise


def _require_old(before: Sent, *, now: datetime) -> None:
    if now - before.at < _PATIENCE:
        raise ActedMeanwhile(
            f"nothing was sent: {before.act.by} was faster, and the alert is {before.in_words(now=now)}; wait for it, then "
            "act again if that is still right"
        )
