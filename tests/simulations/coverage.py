"""How often the 95 % limits for clinics like these hold the truth, by simulation.

Here: clinics of unequal sizes that differ by a stated intraclass correlation, and the settings that
are tried. Not here: the estimators (transforms/statistics/clinics_like_these.py), the table
(report.py).

Sizes: `unequal`, log-normal with a standard deviation of 1 on the log scale (3 to 250 patients, by
20 clinics), and `half in one`, where one clinic has as many patients as all the others. The
correlation is that of two patients of a clinic: of values, of having the event, and, of events, of
the two patients' counts in a year. A clinic's probability is beta, its rate gamma distributed; and,
as another shape, log-normal, where patients' events also come in clusters.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from transforms.statistics import clinics_like_these
from transforms.statistics.intervals import Limits

CLINICS = (5, 20, 100)
CORRELATIONS = (0.0, 0.05, 0.1)
PROBABILITIES = (0.3, 0.02)
RATES = (0.5, 0.02)  # events per patient-year
LOG_SD = 0.3
OVERDISPERSION = 3  # of a clinic's events in the log-normal settings
SIZES = ("unequal", "half in one")
_CHUNK = 100_000  # clinics simulated at once
LEAST = 0.93


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row of the table: what is estimated, over how many clinics of which sizes, that differ
    how much.
    """

    question: str
    truth: float
    clinics: int
    sizes: str
    spread: str
    correlation: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Of the runs with limits the share that holds the truth, and misses below and above; the
    median width.
    """

    setting: Setting
    runs: int
    given: int
    covered: float
    below: float  # limits lie below the truth
    above: float
    width: float  # median, over the truth (of a mean: in standard deviations)

    @property
    def error(self) -> float:
        """Monte Carlo standard error of `covered`."""
        return float(np.sqrt(self.covered * (1 - self.covered) / max(self.given, 1)))


def settings() -> Iterator[Setting]:
    for clinics in CLINICS:
        for sizes in SIZES:
            if sizes != SIZES[0] and clinics == CLINICS[-1]:
                continue  # one clinic beside many small ones is in the smaller settings
            for correlation in CORRELATIONS:
                shared = {
                    "clinics": clinics,
                    "sizes": sizes,
                    "correlation": correlation,
                    "spread": f"correlation {correlation:g}",
                }
                yield Setting(question="mean", truth=0.0, **shared)
                yield from (
                    Setting(question="proportion", truth=p, **shared) for p in PROBABILITIES
                )
                yield from (Setting(question="rate", truth=r, **shared) for r in RATES)
            spread = f"log SD {LOG_SD:g}, phi {OVERDISPERSION}"
            yield from (
                Setting(question="rate", truth=r, clinics=clinics, sizes=sizes, spread=spread)
                for r in RATES
            )


def simulate(setting: Setting, *, runs: int, seed: int) -> Coverage:
    generator = np.random.default_rng(seed)
    chunk = max(1, _CHUNK // setting.clinics)
    parts = [_limits(setting, min(chunk, runs - k), generator) for k in range(0, runs, chunk)]
    lower, upper = (
        np.concatenate([getattr(p, side) for p in parts]) for side in ("lower", "upper")
    )
    is_given = np.isfinite(lower) & np.isfinite(upper)
    lower, upper, truth = lower[is_given], upper[is_given], setting.truth
    return Coverage(
        setting=setting,
        runs=runs,
        given=int(is_given.sum()),
        covered=float(((lower <= truth) & (truth <= upper)).mean()),
        below=float((upper < truth).mean()),
        above=float((lower > truth).mean()),
        width=float(np.median(upper - lower)) / (truth or 1),
    )


def sizes_of(setting: Setting) -> np.ndarray:
    """Patients of each clinic."""
    m = setting.clinics
    if setting.sizes == SIZES[1]:
        return np.array([15.0 * (m - 1), *[15.0] * (m - 1)])
    quantiles = stats.norm.ppf((np.arange(m) + 0.5) / m)
    return np.maximum(np.round(np.exp(3.4 + quantiles)), 3)


def _limits(setting: Setting, runs: int, generator: np.random.Generator) -> Limits:
    n = np.tile(sizes_of(setting), (runs, 1))
    if setting.question == "mean":
        between, within = np.sqrt(setting.correlation), np.sqrt(1 - setting.correlation)
        values = between * n * generator.standard_normal(n.shape)
        return clinics_like_these.mean_limits(
            values + within * np.sqrt(n) * generator.standard_normal(n.shape), n
        )
    if setting.question == "proportion":
        probabilities = _beta(setting, n.shape, generator)
        return clinics_like_these.proportion_limits(
            generator.binomial(n.astype(int), probabilities), n
        )
    return clinics_like_these.rate_limits(_events(setting, n, generator), n)


def _beta(setting: Setting, shape, generator) -> np.ndarray:
    p, correlation = setting.truth, setting.correlation
    if not correlation:
        return np.full(shape, p)
    scale = (1 - correlation) / correlation
    return generator.beta(p * scale, (1 - p) * scale, shape)


def _events(setting: Setting, n: np.ndarray, generator) -> np.ndarray:
    if setting.spread.startswith("log SD"):
        factor = np.exp(generator.normal(-(LOG_SD**2) / 2, LOG_SD, n.shape))
        expected = n * setting.truth * factor
        return generator.negative_binomial(expected / (OVERDISPERSION - 1), 1 / OVERDISPERSION)
    if not setting.correlation:
        return generator.poisson(n * setting.truth)
    variance = setting.correlation / (1 - setting.correlation) / setting.truth
    return generator.poisson(n * setting.truth * generator.gamma(1 / variance, variance, n.shape))
