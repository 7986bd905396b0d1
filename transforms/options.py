"""The thresholds that a site may change, with their defaults and sources.

Here: one dataclass; `ingest/settings.py` reads each field from `FLOE_<NAME>`. Not here: facts that
are not a choice (an instrument's scoring, a formula).
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal


def _option(default, doc: str):
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, kw_only=True)
class Rebase:
    """From a day on a control chart has limits of its own, for a reason that stands in its rows."""

    metric_id: str
    from_date: date
    reason: str
    clinic_id: str | None = None  # None = every chart of the metric


@dataclass(frozen=True, kw_only=True)
class Options:
    """Proposals of methods.md ([P]) and choices of a site; every statistic takes them as
    arguments.
    """

    responder_extra_pct: int = _option(35, "a further responder percentage, reported as PCTX")
    nrs_points: float = _option(2.0, "important change of an NRS, points (Ostelo 2008)")
    vas_points: float = _option(15.0, "important change of a VAS, mm (Ostelo 2008)")
    odi_points: float = _option(10.0, "important change of the ODI, points (Ostelo 2008)")
    rmdq_points: float = _option(5.0, "important change of the RMDQ, points (Ostelo 2008)")
    ndi_points: float = _option(8.0, "important change of the NDI, points (secondary source)")
    promis_points: float = _option(
        3.5, "important change of a PROMIS T-score, points (Amtmann 2016: 3.5-5.5)"
    )
    eq5d_points: float = _option(
        0.08, "important change of the EQ-5D-5L index (PMC7053735: the cut at 2 NRS points)"
    )
    anchor_min_group: int = _option(
        30, "fewest patients improved, and not, by the PGIC for an anchored important change"
    )
    nrs_sem: float | None = _option(
        1.02, "standard error of measurement of an NRS, points (Childs 2005)"
    )
    vas_sem: float | None = _option(None, "standard error of measurement of a VAS, mm")
    odi_sem: float | None = _option(
        4.30, "standard error of measurement of the ODI, points (MDC90 10: 10/1.645/√2)"
    )
    rmdq_sem: float | None = _option(
        2.15, "standard error of measurement of the RMDQ, points (MDC90 5: 5/1.645/√2)"
    )
    ndi_sem: float | None = _option(
        4.30, "standard error of measurement of the NDI, points of 100 (MDC90 10)"
    )
    eq5d_sem: float | None = _option(None, "standard error of measurement of the EQ-5D-5L index")
    nrs_recovered_at: float | None = _option(
        0.0, "highest NRS of a recovered patient (Kamper 2010)"
    )
    vas_recovered_at: float | None = _option(None, "highest VAS of a recovered patient, mm")
    odi_recovered_at: float | None = _option(None, "highest ODI of a recovered patient")
    rmdq_recovered_at: float | None = _option(
        2.0, "highest RMDQ of a recovered patient (Kamper 2010; 4: Stratford 2016)"
    )
    ndi_recovered_at: float | None = _option(None, "highest NDI of a recovered patient")
    odi_licensed: bool = _option(False, "the site states that it holds a licence for the ODI")
    odi_min_items: int = _option(8, "fewest ODI sections answered for a score")
    reference_arm: str = _option(
        "", "reference arm where none is named control, placebo, sham or usual_care"
    )
    sustained_min_days: int = _option(21, "days between two visits for a sustained response")
    valid_day_wear_h: float = _option(10.0, "hours of wear of a valid day")
    valid_week_days: int = _option(4, "valid days of a valid week")
    valid_week_weekend_days: int = _option(1, "weekend days among them")
    risk_window_days: int = _option(
        30, "days after an episode's last session that count as time at risk"
    )
    episode_gap_days: int = _option(
        90, "days without a session after which the next one begins a new episode"
    )
    lost_after_days: int = _option(
        60, "days without contact at the data cut after which a patient counts as lost"
    )
    person_time_cut_h: int = _option(
        1, "hours to which the data cut of person-time is taken down; 0 = not at all"
    )
    is_unknown_onset_emergent: bool = _option(
        True,
        "an adverse event of unknown onset is treatment-emergent and counts in rates (PHUSE, admiral)",
    )
    course_gap_days: int = _option(
        30, "days without a session that end a course, where sessions name none"
    )
    clock_tolerance_min: int = _option(
        60, "minutes that a moment may lie after its landing: clocks that are a little off"
    )
    earliest_year: int = _option(
        1990,
        "year before which no session, answer or reading can be: before it no device kept records of them",
    )
    years_before_enrolment: int = _option(
        10,
        "years before the enrolment that a patient's sessions, answers and readings may reach back",
    )
    plan_horizon_years: int = _option(
        5, "years that a plan (a course's end, a consult's validity) may lie ahead"
    )
    oldest_age: int = _option(120, "age that nobody reaches, years")
    clean_window_days: int = _option(
        7, "days after an event's end in which the same term is the same event"
    )
    skin_amber_c: float = _option(5.0, "skin temperature of an amber alert, degrees C")
    skin_red_c: float = _option(2.0, "skin temperature of a red alert, degrees C")
    is_bout_plausibility_checked: bool = _option(
        True, "walking bouts lose values outside the limits of Mobilise-D"
    )
    min_cell: int = _option(5, "smallest cell that a reader from outside the clinic may see")
    release_rounding: int = _option(
        5, "counts are released to the nearest multiple of it (of min_cell, where that is more)"
    )
    min_completeness_pct: float = _option(
        60.0, "completeness below which a comparison is not shown, %"
    )
    min_patients_per_parameter: int = _option(
        5, "patients per covariance parameter that an MMRM needs"
    )
    mmrm_degrees_of_freedom: Literal["satterthwaite", "kenward_roger"] = _option(
        "satterthwaite",
        "of a model of all visits: satterthwaite or kenward_roger (which also widens standard errors)",
    )
    completers_of_last_visit: bool = _option(
        False,
        "arms are also compared at earlier visits among those who have the last visit, as some trials print it",
    )
    binary_endpoints: str = _option(
        "", "further endpoints of arms, by a cut: NRS7D<=3; ODI improved>=12.8; ODI improved>=20%"
    )
    rtm_mean: float | None = _option(None, "mean pain of the unselected population, NRS points")
    rtm_sd: float | None = _option(None, "its standard deviation")
    rtm_reliability: float | None = _option(
        None, "its test-retest reliability over the follow-up's interval"
    )
    rtm_cutoff: float | None = _option(None, "lowest baseline at which patients are enrolled")
    rtm_source: str = _option("", "where those four numbers come from")
    # country -> (the set's name, profile -> utility); FLOE_EQ5D_VALUE_SETS names the folder that
    # they are read from
    eq5d_value_sets: dict[str, tuple[str, dict[str, float]]] = field(default_factory=dict)
    control_chart_arl: float = _option(
        370.0, "average run length in control of a family of charts, points"
    )
    control_chart_run: Literal[6, 7] = _option(
        7, "points that make a trend or a shift of a control chart: 6 or 7"
    )
    control_chart_kind: Literal["counts", "xmr"] = _option(
        "counts",
        "monthly rates and shares as u- and p-charts (counts), or as XmR charts as NHS England draws them (xmr)",
    )
    control_chart_rebases: tuple[Rebase, ...] = _option(
        (),
        "where control charts begin anew, a JSON list of objects: metric_id, from_date, reason and, of one clinic, "
        "clinic_id",
    )
    serious_event_reference_pct: float | None = _option(
        None,
        "patients with a serious adverse event that a clinic is judged against, % of those treated",
    )
    cold_injury_reference_pct: float | None = _option(
        None,
        "patients with a cold injury of grade 2 or more that a clinic is judged against, % of those treated",
    )
    safety_reference_source: str = _option("", "where those two numbers come from")


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What a mart was computed from: the lake's snapshot and the newest plausible event time,
    capped at its ingestion.
    """

    lake_snapshot: int
    data_cutoff: datetime

    @property
    def hour(self) -> datetime:
        """The hour in which the data cut lies: local days go on by it."""
        return self.data_cutoff.replace(minute=0, second=0, microsecond=0)

    @property
    def hour_end(self) -> datetime:
        """The end of that hour: what lies after it has not happened yet."""
        return self.hour + timedelta(hours=1)
