"""Type-I error of every p-value that the marts publish: how often two arms that do not differ are
told apart at 0.05.

Here: arms without a difference in many settings, small, unequal and rare ones among them, judged by
the functions that the marts use. Not here: the coverage of intervals, the command
(`python -m tests.simulations`).

A row a p-value and setting: `p_value` (which column of which mart), `setting` in words,
`overdispersion` (of events; null elsewhere), `runs`, `type_one_error`, `standard_error` (Monte
Carlo).
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
import polars as pl

from transforms.statistics import gray, log_rank, models, rate_ratios, risk_tables
from transforms.statistics.baseline_covariates import adjustment

LEVEL = 0.05
MOST = 0.06  # of arms that do not differ may be told apart: more would be a fault
ARMS = ((10, 10), (5, 45), (45, 5), (20, 80), (12, 188), (100, 100))
MEANS = (0.02, 0.1, 0.5, 2.0, 10.0)  # events a patient
OVERDISPERSIONS = (1.0, 3.0, 7.5)
EXPOSURES = {
    "equal exposure": (0, 1),
    "unequal exposure": (1, 1),
    "unequal, thrice in the first arm": (1, 3),
}
_CHUNK = 2_000
# A model of all visits is fitted by iterations: a tenth of the runs of the others
_FEWER = 10


def run(n_runs: int, seed: int, *, n_slow_runs: int | None = None) -> Iterator[dict]:
    """All p-values in all settings; `n_runs` arms a setting, `n_slow_runs` where each is a call of
    its own.

    The model of all visits has a tenth of those.
    """
    parts = (rate_ratio_rows, risk_rows, ancova_rows, mmrm_rows, log_rank_rows, gray_rows)
    seeds = np.random.SeedSequence(seed).spawn(len(parts))
    for part, own in zip(parts, seeds, strict=True):
        runs = n_runs if part is rate_ratio_rows or n_slow_runs is None else n_slow_runs
        yield from part(runs, np.random.default_rng(own))


def _row(
    p_value: str, setting: str, rejected: int, runs: int, *, overdispersion: float | None = None
) -> dict:
    share = rejected / runs
    return {
        "p_value": p_value,
        "setting": setting,
        "overdispersion": overdispersion,
        "runs": runs,
        "type_one_error": share,
        "standard_error": float(np.sqrt(max(share * (1 - share), 1 / runs**2) / runs)),
    }


# --- rates of adverse events --------------------------------------------------------------------


def rate_ratio_rows(n_runs: int, rng: np.random.Generator) -> Iterator[dict]:
    """adverse_event_comparisons: sessions_p_value, patient_years_p_value. Negative binomial counts
    of patients.
    """
    for arms, mean, phi, (exposure, (spread, factor)) in product(
        ARMS, MEANS, OVERDISPERSIONS, EXPOSURES.items()
    ):
        rejected = sum(
            _rejected_ratios(arms, mean, phi, spread, factor, size, rng)
            for size in _chunks(n_runs, _CHUNK)
        )
        setting = f"{arms[0]} v {arms[1]} patients, {mean:g} events each, {exposure}"
        yield _row(
            "adverse_event_comparisons.*_rate_ratio", setting, rejected, n_runs, overdispersion=phi
        )


def _rejected_ratios(arms, mean, phi, spread, factor, size, rng) -> int:
    t = (
        np.ones((size, sum(arms)))
        if not spread
        else rng.gamma(1.5, 1 / 1.5, (size, sum(arms))) + 0.02
    )
    t[:, : arms[0]] *= factor
    x = counts(mean * t, phi, rng)
    pair = [_sums(x[:, part], t[:, part]) for part in (slice(arms[0]), slice(arms[0], None))]
    return int((rate_ratios.rate_ratio(*pair).p_value < LEVEL).sum())


def counts(mean: np.ndarray, phi: float, rng: np.random.Generator) -> np.ndarray:
    """Counts whose variance is phi times their mean: Poisson, or negative binomial."""
    rate = mean if phi == 1 else rng.gamma(mean / (phi - 1), phi - 1)
    return rng.poisson(rate).astype(float)


def _sums(x: np.ndarray, t: np.ndarray) -> rate_ratios.PatientSums:
    patients = np.full(len(x), float(x.shape[1]))
    return rate_ratios.PatientSums(
        patients, x.sum(1), t.sum(1), (x * x).sum(1), (x * t).sum(1), (t * t).sum(1)
    )


# --- patients with an event ---------------------------------------------------------------------


def risk_rows(n_runs: int, rng: np.random.Generator) -> Iterator[dict]:
    """adverse_event_comparisons: fisher_p_value, cmh_p_value. Clinics whose risks differ as
    strata.
    """
    for arms, risk, clinics in product(
        ((10, 10), (5, 45), (50, 50), (12, 188)), (0.02, 0.1, 0.3), (1, 5)
    ):
        rejected = {"fisher_p_value": 0, "cmh_p_value": 0}
        for _ in range(n_runs):
            table = _table(arms, risk, clinics, rng)
            whole = [int(c.sum()) for c in table]
            p_values = {
                "fisher_p_value": risk_tables.fisher_p_value(*whole),
                "cmh_p_value": risk_tables.cochran_mantel_haenszel(*table)[1],
            }
            for name, p in p_values.items():
                rejected[name] += p is not None and p < LEVEL
        setting = f"{arms[0]} v {arms[1]} patients, risk {risk:g}, {clinics} strata"
        for name, number in rejected.items():
            yield _row(f"adverse_event_comparisons.{name}", setting, number, n_runs)


def _table(arms, risk, clinics, rng) -> tuple[np.ndarray, ...]:
    """Patients spread over clinics; each clinic has a risk of its own about the mean one."""
    risks = risk if clinics == 1 else rng.beta(4 * risk, 4 * (1 - risk), clinics)
    n1, n2 = (rng.multinomial(n, np.full(clinics, 1 / clinics)) for n in arms)
    return rng.binomial(n1, risks), n1, rng.binomial(n2, risks), n2


# --- means --------------------------------------------------------------------------------------


def ancova_rows(n_runs: int, rng: np.random.Generator) -> Iterator[dict]:
    """arm_comparisons, method ancova: whole-number scores with a floor, baseline and a covariate
    missing in some.
    """
    for arms, missing in (((12, 12), 0.0), ((60, 60), 0.8), ((15, 60), 0.3)):
        rejected = sum(_rejected_ancova(arms, missing, rng) for _ in range(n_runs))
        setting = f"{arms[0]} v {arms[1]} patients in 4 clinics, {missing:.0%} of a covariate and of 10 % of baselines missing"
        yield _row("arm_comparisons.p_value (ancova)", setting, rejected, n_runs)


def _rejected_ancova(arms, missing, rng) -> bool:
    rows = _patients(arms, missing, rng).with_columns(AVAL=_score(rng, sum(arms)))
    names = {"BASE": "baseline", "AGE": "age", "PAINDUR": "pain duration"}
    found = adjustment(
        rows,
        people=rows,
        person="USUBJID",
        covariates=names,
        factors={"SITEID": "clinic"},
        is_randomised=True,
    )
    model = models.ancova(
        found.rows, "AVAL", None, "ARM", found.covariates, found.factors, reference="control"
    )
    p = model.contrasts["p_value"][0]
    return p is not None and p < LEVEL


def _patients(arms, missing, rng) -> pl.DataFrame:
    n = sum(arms)
    lost = rng.random((2, n)) < np.array([[missing], [0.1 * (missing > 0)]])
    return pl.DataFrame(
        {
            "USUBJID": np.arange(n),
            "ARM": ["cold"] * arms[0] + ["control"] * arms[1],
            "SITEID": rng.integers(0, 4, n).astype(str),
            "AGE": rng.integers(20, 80, n).astype(float),
            "PAINDUR": np.where(lost[0], np.nan, rng.lognormal(2, 1, n)),
            "BASE": np.where(lost[1], np.nan, rng.integers(4, 11, n)),
        }
    )


def _score(rng, n: int, own=0.0) -> np.ndarray:
    return np.clip(np.rint(rng.normal(3, 2.5, n) + own), 0, 10)


def mmrm_rows(n_runs: int, rng: np.random.Generator) -> Iterator[dict]:
    """arm_comparisons, method mmrm: three visits, a tenth of the answers missing; the last visit's
    p-value.
    """
    runs = max(1, n_runs // _FEWER)
    for arms, how in product(((30, 30), (25, 60)), ("satterthwaite", "kenward_roger")):
        rejected = sum(_rejected_mmrm(arms, how, rng) for _ in range(runs))
        yield _row(
            f"arm_comparisons.p_value (mmrm, {how})",
            f"{arms[0]} v {arms[1]} patients",
            rejected,
            runs,
        )


def _rejected_mmrm(arms, how, rng) -> bool:
    people = _patients(arms, 0.0, rng)
    own = rng.normal(0, 1.5, people.height)
    days = (29, 92, 183)
    rows = pl.concat(
        [people.with_columns(AVISITN=pl.lit(d), AVAL=_score(rng, people.height, own)) for d in days]
    )
    rows = rows.filter(pl.Series(rng.random(rows.height) > 0.1))
    model = models.mmrm(
        rows,
        "AVAL",
        "USUBJID",
        "AVISITN",
        "ARM",
        ["BASE"],
        ["AVISITN"],
        [("ARM", "AVISITN"), ("BASE", "AVISITN")],
        reference={"ARM": "control"},
        degrees_of_freedom=how,
        min_patients_per_parameter=5,
    )
    p = model.contrasts.filter(visit=days[-1])["p_value"]
    return bool(len(p)) and p[0] is not None and p[0] < LEVEL


# --- curves -------------------------------------------------------------------------------------


def log_rank_rows(n_runs: int, rng: np.random.Generator) -> Iterator[dict]:
    """survival_curves: log_rank_p_value. Exponential times in days, most of them censored before
    their event.
    """
    for arms, days in product(((15, 15), (20, 80), (60, 60)), (60, 400)):
        rejected = sum(_rejected_log_rank(arms, days, rng) for _ in range(n_runs))
        setting = f"{arms[0]} v {arms[1]} patients, an event in {days} days on average, followed for up to 90"
        yield _row("survival_curves.log_rank_p_value", setting, rejected, n_runs)


def _rejected_log_rank(arms, days, rng) -> bool:
    time, end = rng.exponential(days, sum(arms)), rng.uniform(1, 90, sum(arms))
    frame = pl.DataFrame(
        {
            "days": np.minimum(time, end),
            "event": time <= end,
            "arm": ["cold"] * arms[0] + ["control"] * arms[1],
        }
    )
    p = log_rank.log_rank(frame, "days", "event", "arm").p_value
    return p is not None and p < LEVEL


def gray_rows(n_runs: int, rng: np.random.Generator) -> Iterator[dict]:
    """competing_risks: gray_p_value. Exponential times in days to one of two events, censored at a
    uniform time.
    """
    for arms in ((20, 20), (20, 80)):
        rejected = sum(_rejected_gray(arms, rng) for _ in range(n_runs))
        setting = f"{arms[0]} v {arms[1]} patients, two events in 120 and 400 days on average, followed for up to 365"
        yield _row("competing_risks.gray_p_value", setting, rejected, n_runs)


def _rejected_gray(arms, rng) -> bool:
    first, second = (rng.exponential(days, sum(arms)) for days in (120, 400))
    end = rng.uniform(30, 365, sum(arms))
    time = np.minimum(first, second)
    cause = np.where(first < second, "back", "surgery")
    frame = pl.DataFrame(
        {
            "days": np.minimum(time, end),
            "event": pl.Series(np.where(time <= end, cause, "")).replace("", None),
            "arm": ["cold"] * arms[0] + ["control"] * arms[1],
        }
    )
    p = gray.gray_test(frame, "days", "event", "arm", of="back").p_value
    return p is not None and p < LEVEL


def _chunks(total: int, size: int) -> Iterator[int]:
    yield from (min(size, total - start) for start in range(0, total, size))
