"""The records of simulated clinics out of order, many times over, while people ask.

Here: that, once a session. Not here: what must come out (the tests), starting a system
(tests/whole_systems.py).
"""

import threading
import time
from collections import Counter, defaultdict

import numpy as np
import orjson
import pytest

from ingest import stream, worker
from ingest.lake import Lake
from tests.whole_systems import System, clinics, sent, system

__all__ = ["clinics", "sent", "system"]

MOST_ROUNDS = 1  # copies of everything that the load may send


def shuffled(records: list, *, seed: int) -> list:
    """The records in no order at all, but those of one identity, of which the first landed
    stands.
    """
    order = np.random.default_rng(seed).permutation(len(records)).tolist()
    places = defaultdict(list)
    for place, number in enumerate(order):
        places[_identity(records[number][2]) or number].append(place)
    for own in places.values():
        for place, number in zip(own, sorted(order[place] for place in own), strict=True):
            order[place] = number
    return [records[number] for number in order]


def _identity(value: bytes | None) -> tuple[str, str] | None:
    try:
        event = orjson.loads(value or b"")
        return event["source"], event["id"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return None


class Asking:
    """Threads that ask the lake while it fills; each opens it as `floe sql` does, or keeps it open
    as a page does.
    """

    QUERIES = (
        "SELECT sum(rows + rejects)::BIGINT AS n FROM raw.ledger",
        "SELECT count(*) AS n FROM raw.readings",
        "SELECT count(*) AS n FROM raw.sessions JOIN raw.patients USING (patient_id)",
    )
    PAGES = (
        "mart.patient_outcomes",
        "mart.adverse_event_rates",
        "core.sessions",
        "mart.check_results",
    )

    def __init__(self, settings) -> None:
        self.settings = settings
        self.counts: dict[str, list[int]] = defaultdict(list)
        self.answers: Counter = Counter()
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(a,))
            for a in (self._like_sql, self._like_a_page)
        ]

    def __enter__(self) -> "Asking":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, ask) -> None:
        while not self._stop.is_set():
            try:
                ask()
            except Exception as error:
                self.failures.append(repr(error))
                return

    def _like_sql(self) -> None:
        for query in self.QUERIES:
            with Lake.open(self.settings, read_only=True) as lake:
                self.counts[query].append(lake.sql(query)["n"][0] or 0)
            self._stop.wait(1.5)

    def _like_a_page(self) -> None:
        with Lake.open(self.settings, read_only=True) as lake:
            until = time.monotonic() + 5
            while time.monotonic() < until and not self._stop.is_set():
                for name in self.PAGES:
                    lake.table(name)
                    self.answers[name] += 1
                    self._stop.wait(0.5)


@pytest.fixture(scope="session")
def busy(system, sent) -> System:
    """The same records in no order, then again and again as copies, while people ask and core and
    mart are computed.

    Ends drained and recomputed as a whole. `asking`: what was asked; `during`: what the first
    materialisation said; `sent_again`: copies beside the records.
    """
    with system("busy").running() as made:
        with Lake.open(made.settings):
            pass
        ingest = made.floe("ingest")
        try:
            broken = {(b.topic, b.value) for b in sent.truth.broken}
            good = [
                (topic, key, value)
                for topic, key, value in sent.records
                if (topic, value) not in broken
            ]
            records = shuffled(sent.records, seed=1)
            half = len(records) // 2
            stream.publish(made.settings, records[:half])
            assert worker.wait_landed(made.settings, stop=threading.Event())
            with Asking(made.settings) as made.asking:
                materialize = made.floe("materialize")
                stream.publish(made.settings, records[half:])
                made.sent_again = 0
                while materialize.poll() is None and made.sent_again < MOST_ROUNDS * len(good):
                    made.sent_again += stream.publish(made.settings, good)
                made.during = materialize.communicate()[0].decode(), materialize.returncode
        finally:
            ingest.terminate()
            made.ingest = ingest.communicate()[0].decode(), ingest.returncode
        worker.run(made.settings, drain=True)
        made.materialize(full=True)
    return made
