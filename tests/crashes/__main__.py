"""`make crashes`: Floe dies at seeded points of its own code, starts again, and everything
acknowledged is counted.

Here: drawing the points, the deaths, the restarts, the table. Not here: the parts that die
(victim.py), the list that their work is held against (books.py).

CRASHES (1,000) points, drawn by CRASHES_SEED (1), over ingest, upkeep, materialisation and
`floe up`; a tenth are real kills (-9) at a random moment, the others end at a line: by an exit on
the spot, or by an error there, in turn. After each the part starts again and must come to its end;
then the lake is compared with the list.
"""

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import psutil

from ingest import stream
from ingest.broker import node as broker
from ingest.broker.process import free_port
from ingest.lake import Lake
from ingest.settings import Settings
from transforms.errors import FloeError

from .books import Account, Books
from .victim import EXIT, FAILED, PRELOADED, RAISE, Point, live

SHARES = {"ingest": 0.82, "upkeep": 0.12, "materialise": 0.04, "up": 0.02}
_KILLED_EVERY = 10
_PATIENCE_S, _HANGS_S = 300, 20
_DRAWS = 5  # a point that a run does not come by this time is drawn anew
_VICTIMS = get_context("forkserver")


@dataclass
class Tally:
    """What became of a part's points."""

    points: int = 0
    kills: int = 0
    not_reached: int = 0
    lost: int = 0
    doubled: int = 0
    faults: list[str] = field(default_factory=list)
    again_s: list[float] = field(default_factory=list)


class Ground:
    """A home and its Kafka on which one part dies again and again."""

    def __init__(self, part: str, folder: Path, settings: Settings, seed: random.Random) -> None:
        self.part, self.folder, self.settings, self.seed = part, folder, settings, seed
        self.books = Books(settings)
        self.log = folder / f"{part}.log"
        self.lines: list[tuple[str, int, int]] = []
        self.whole_s = 1.0

    def prepare(self) -> None:
        """A first run makes the lake, a second notes the lines of a usual run, a third, without
        tracing, how long it takes.
        """
        self.work()
        self.run()
        self.work()
        survey = self.folder / f"{self.part}.json"
        self.run(survey=survey)
        self.lines = json.loads(survey.read_text())
        self.work()
        self.whole_s = self.run()

    def work(self) -> None:
        """Something to do for the next run."""
        self.books.send(60)
        if self.part in ("upkeep", "materialise"):
            self._run_part("ingest")

    def crash(self, number: int, tally: Tally) -> None:
        """One death, one restart, one comparison."""
        death = "before it died"
        try:
            death = self._death(number, tally)
            if death is None:
                return
            tally.points += 1
            tally.kills += death.startswith("kill")
            tally.again_s.append(self.run())
            account = self.compare()
        except (AssertionError, FloeError) as error:
            tally.faults.append(f"{self.part}: {death}: {error}")
            return
        tally.lost += account.lost
        tally.doubled += account.doubled
        if not account.is_right:
            tally.faults.append(f"{self.part}: {death}: {account}")

    def _death(self, number: int, tally: Tally) -> str | None:
        """How it died; None where no draw was come by."""
        for _ in range(_DRAWS):
            self.work()
            if (
                death := self._killed()
                if number % _KILLED_EVERY == 0
                else self._dead_at(self._point(number))
            ):
                return death
            tally.not_reached += 1
        return None

    def _point(self, number: int) -> Point:
        file, line, count = self.seed.choice(self.lines)
        return Point(file, line, self.seed.randint(1, count), (EXIT, RAISE)[number % 2])

    def _dead_at(self, point: Point) -> str | None:
        """An error at any line may leave a thread that waits for another forever: that one is
        killed.
        """
        process = self._start(self.part, point=point)
        process.join(_HANGS_S + 5 * self.whole_s)
        if process.exitcode is None:
            process.kill()
            process.join()
        assert process.exitcode != FAILED, f"{point}: failed by itself, see {self.log}"
        return str(point) if process.exitcode else None

    def _killed(self) -> str | None:
        process = self._start(self.part)
        process.join(self.seed.uniform(0, self.whole_s))
        process.kill()
        process.join()
        return "kill -9" if process.exitcode == -9 else None

    def _end(self, process) -> int:
        process.join(_PATIENCE_S)
        if process.exitcode is None:
            process.kill()
            raise AssertionError(f"it did not end within {_PATIENCE_S} s, see {self.log}")
        return process.exitcode

    def _start(self, part: str, **options):
        environment = {
            "FLOE_HOME": str(self.settings.home),
            "FLOE_BROKER_PORT": str(self.settings.broker_port),
        }
        environment |= {
            "FLOE_CACHE": self.settings.cache,
            "FLOE_INGEST_LINGER_MS": "10",
            "FLOE_LAKE_THREADS": "1",
        }
        environment |= {
            "FLOE_DASHBOARDS_PORT": str(self.settings.dashboards_port),
            "FLOE_HEALTH_PORT": "0",
        }
        environment |= {"FLOE_DAGSTER_PORT": str(self.settings.dagster_port)}
        process = _VICTIMS.Process(target=live, args=(part, environment, self.log), kwargs=options)
        process.start()
        return process

    def run(self, **options) -> float:
        """The part to its end; how long that took."""
        return self._run_part(self.part, **options)

    def _run_part(self, part: str, **options) -> float:
        began = time.monotonic()
        code = self._end(self._start(part, **options))
        assert code == 0, f"{part} ended with code {code}, see {self.log}"
        return time.monotonic() - began

    def compare(self) -> Account:
        with Lake.open(self.settings, read_only=True) as lake:
            return (
                self.books.compare_core(lake)
                if self.part == "materialise"
                else self.books.compare(lake)
            )


class UpGround(Ground):
    """`floe up` with a broker of its own: it is up when what was sent has landed, and must then
    stop in order.
    """

    def work(self) -> None:
        pass  # what was sent before the last stop, and not landed, is still to do

    def run(self, **options) -> float:
        began = time.monotonic()
        process = self._start(self.part, **options)
        try:
            self._wait(process, self._is_up)
            self._wait(process, lambda: self.books.send(40) is None)
            self._wait(process, self._has_landed)
            landed_s = time.monotonic() - began
            self.books.send(20)  # may land, or be left for the next start
        finally:
            process.terminate()
            code = self._end(process)
        assert code == 0, f"floe up was told to stop and ended with {code}, see {self.log}"
        assert not (left := self._left()), f"floe up stopped and left {left}"
        return landed_s

    def _is_up(self) -> bool:
        return stream.is_reachable(self.settings, timeout_s=1) and bool(
            stream.topic_ids(self.settings)
        )

    def compare(self) -> Account:
        """Whatever was left to land lands, and nothing else runs: then the lists must agree."""
        broker.start(self.settings, detached=False)
        try:
            self._run_part("ingest")
        finally:
            broker.stop(self.settings)
        return super().compare()

    def _dead_at(self, point: Point) -> str | None:
        """Told to stop once it has had time to come by its point, so that the lines of stopping
        have their turn.
        """
        process = self._start(self.part, point=point)
        process.join(2 * self.whole_s)
        if process.exitcode is None:
            process.terminate()
            process.join(60)
        if process.exitcode is None:
            process.kill()
            process.join()
        return str(point) if process.exitcode else None

    def _has_landed(self) -> bool:
        try:
            with Lake.open(self.settings, read_only=True) as lake:
                return self.books.compare(lake).lost == 0
        except FloeError:
            return False  # not made yet

    def _wait(self, process, until) -> None:
        end = time.monotonic() + _PATIENCE_S
        while True:
            assert process.is_alive(), f"floe up ended with {process.exitcode}, see {self.log}"
            assert time.monotonic() < end, (
                f"floe up did not land within {_PATIENCE_S} s, see {self.log}"
            )
            try:
                if until():
                    return
            except FloeError:
                pass  # it is not there yet
            time.sleep(0.1)

    def _left(self) -> list[str]:
        """Processes of this home that outlive it by more than a moment."""
        for _ in range(50):
            left = [
                " ".join(p.cmdline())[:100]
                for p in psutil.process_iter()
                if p.pid != os.getpid() and self._is_of(p)
            ]
            if not left:
                break
            time.sleep(0.2)
        return left

    def _is_of(self, process: psutil.Process) -> bool:
        try:
            is_alive = process.status() != psutil.STATUS_ZOMBIE
            home = str(self.settings.home)
            return is_alive and (
                process.environ().get("FLOE_HOME") == home
                or any(home in w for w in process.cmdline())
            )
        except psutil.Error:
            return False


@contextmanager
def _grounds(seed: random.Random) -> Iterator[dict[str, Ground]]:
    """One Kafka for the parts that share it, and a home for each; `floe up` has all of its own."""
    cache = os.environ.get("FLOE_CACHE") or str(Path.home() / ".cache" / "floe")
    with tempfile.TemporaryDirectory(prefix="floe-crashes-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        shared = _settings(folder / "kafka", cache, free_port())
        broker.start(shared, detached=False)
        stream.ensure_topics(shared)
        try:
            grounds = {
                part: Ground(
                    part, folder, _settings(folder / part, cache, shared.broker_port), seed
                )
                for part in SHARES
                if part != "up"
            }
            yield grounds | {
                "up": UpGround("up", folder, _settings(folder / "up", cache, free_port()), seed)
            }
        finally:
            broker.stop(shared)


def _settings(home: Path, cache: str, port: int) -> Settings:
    ports = {"dashboards_port": free_port(), "dagster_port": free_port()}
    return Settings(
        home=home, cache=cache, broker_port=port, kafka_bootstrap="", catalog="", data="", **ports
    )


def _turns(count: int, seed: random.Random) -> list[str]:
    """The parts in a drawn order, each with its share of the points and with one at least."""
    numbers = {part: max(1, round(count * share)) for part, share in SHARES.items()}
    numbers["ingest"] += count - sum(numbers.values())
    turns = [part for part, number in numbers.items() for _ in range(number)]
    seed.shuffle(turns)
    return turns


def main() -> int:
    count, number = int(os.environ.get("CRASHES", "1000")), int(os.environ.get("CRASHES_SEED", "1"))
    only = set(sys.argv[1:]) or set(SHARES)
    seed = random.Random(number)
    _VICTIMS.set_forkserver_preload(PRELOADED)
    tallies = {part: Tally() for part in SHARES if part in only}
    with _grounds(seed) as grounds:
        turns = [part for part in _turns(count, seed) if part in only]
        for part in tallies:
            grounds[part].prepare()
            print(f"{part}: {len(grounds[part].lines):,} lines at which it can end", flush=True)
        for done, part in enumerate(turns, 1):
            grounds[part].crash(tallies[part].points + 1, tallies[part])
            if done % 50 == 0:
                print(f"{done:,} of {len(turns):,} points", flush=True)
        _keep_logs(grounds, tallies)
    return _told(tallies, number)


def _keep_logs(grounds: dict[str, Ground], tallies: dict[str, Tally]) -> None:
    for part, tally in tallies.items():
        if tally.faults and grounds[part].log.exists():
            kept = Path(tempfile.gettempdir()) / f"floe-crashes-{part}.log"
            kept.write_bytes(grounds[part].log.read_bytes()[-200_000:])
            print(f"log of {part}: {kept}")


def _told(tallies: dict[str, Tally], seed: int) -> int:
    print(
        f"\n{'part':<12} {'points':>7} {'kills':>6} {'lost':>5} {'doubled':>8} {'again, median s':>16} {'max s':>6}"
    )
    for part, t in tallies.items():
        again = f"{statistics.median(t.again_s):>16.1f} {max(t.again_s):>6.1f}" if t.again_s else ""
        print(f"{part:<12} {t.points:>7,} {t.kills:>6,} {t.lost:>5,} {t.doubled:>8,} {again}")
    faults = [fault for t in tallies.values() for fault in t.faults]
    for fault in faults:
        print(f"FAULT  {fault}")
    sums = {
        name: sum(getattr(t, name) for t in tallies.values())
        for name in ("points", "kills", "lost", "doubled", "not_reached")
    }
    landing = tallies["ingest"].again_s if "ingest" in tallies else []
    again = (
        f"; landed again after {statistics.median(landing):.1f} s in the median, {max(landing):.1f} at most"
        if landing
        else ""
    )
    print(
        f"seed {seed}: {sums['points']:,} crash points, {sums['kills']:,} of them kills (-9): {sums['lost']:,} lost, "
        f"{sums['doubled']:,} doubled, {len(faults)} other faults{again} ({sums['not_reached']} draws not reached)"
    )
    return 1 if faults or not sums["points"] else 0


if __name__ == "__main__":
    sys.exit(main())
