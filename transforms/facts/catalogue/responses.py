"""Metrics of visits, responses and changes, and of a patient's headline outcomes.

Here: definitions. Not here: scores (questionnaires.py).
"""

from .metric import Metric

# version 1 of what counts the due closed their windows at midnight UTC; 2 (sustained_response: 1)
# had the days of answers that name no clinic in UTC; before 4 (sustained_response 3, visit_windows 2)
# Day 1 was the first session ever, whatever course came next
TIME: tuple[Metric, ...] = (
    Metric(
        id="visit_windows",
        version="2",
        title="Visits",
        rule="study day without day 0, from the treatment episode's Day 1; windows that do not overlap and end where the next episode's baseline begins, nearest to target, ties the earlier; End of "
        "course: nearest to the day after the first course's last session, up to 14 days after it (EOCFL); it "
        "takes no record that counts for a visit of a fixed day",
        unit="days",
        direction="none",
        source="CDISC (study day); windows: a proposal of Floe",
        verification="proposal",
        parameters=("course_gap_days",),
        tests=("tests/transforms/rules/test_windows.py",),
    ),
    Metric(
        id="sustained_response",
        version="4",
        title="Patients with a sustained response of pain",
        rule="at least 30 % better at two assessments at least {sustained_min_days} days apart and at every one "
        "between, before any opioid begun, injection, surgery or rescue; patients without two such assessments, and "
        "without such an event, are not evaluable",
        unit="proportion",
        direction="higher",
        source="a proposal of Floe",
        verification="proposal",
        parameters=("sustained_min_days",),
        tests=("tests/transforms/rules/test_durability.py",),
    ),
    Metric(
        id="responder_curve",
        version="4",
        title="Cumulative share of responders",
        rule="share improved by at least x % of baseline, x = 0 to 100, of all due with an evaluable baseline; no "
        "value counts as no response, nor does anything from the day of an opioid begun, injection, surgery or rescue on; Wilson limits",
        unit="proportion",
        direction="higher",
        source="Farrar 2006, 10.1016/j.jpainsymman.2005.08.018",
        verification="verified",
        tests=(
            "tests/transforms/rules/test_pain.py",
            "tests/transforms/marts/test_responder_curves.py",
        ),
    ),
    Metric(
        id="rule_disagreement",
        version="4",
        title="Where responder rules disagree",
        rule="patients due with a value by the 30 % rule, the rule in points and the global impression at a visit",
        unit="patients",
        direction="none",
        source="Dworkin 2008 (IMMPACT); Ostelo 2008",
        verification="verified",
        tests=(
            "tests/transforms/rules/test_pain.py",
            "tests/transforms/marts/test_responder_curves.py",
        ),
    ),
    Metric(
        id="pgic_anchor_mic",
        version="4",
        title="Least improvement that patients call much improved",
        rule="the improvement with the highest sensitivity + specificity for PGIC 1-2 against 3-7 at the same visit, "
        "among this product's own patients due; of equally good cuts the greatest; beside it both groups' sizes and "
        "the area under the ROC curve with Newcombe's interval; none where a group has fewer than "
        "{anchor_min_group} patients or the cut is no improvement",
        unit=None,
        direction="none",
        source="a proposal of Floe, as in Suzuki 2020, PMC7053735; Youden 1950, Cancer 3:32; Hanley & McNeil 1982, "
        "Radiology 143:29; Newcombe 2006, Stat Med 25:559 (method 5)",
        verification="proposal",
        parameters=("anchor_min_group", "min_cell"),
        tests=(
            "tests/transforms/statistics/test_anchor.py",
            "tests/transforms/marts/test_important_change.py",
        ),
    ),
    Metric(
        id="reliable_change",
        version="4",
        title="Patients changed beyond measurement error (a change, not an effect)",
        rule="improved or deteriorated: |value - baseline| > 1.96 standard errors of the difference, √2 SEM or, for a "
        "form whose table gives every score its own, √(SE² + SE²); recovered: improved, and at or past the "
        "functional cut that the baseline was not; else unchanged. Of a performance test: by at least the smallest "
        "change that is shown as one. Observed cases with a baseline; an RMDQ baseline under 4 is not evaluable "
        "(a worsening from it counts in rmdq_worse alone). SEM, cut and sources stand in each row",
        unit="proportion",
        direction="none",
        source="Jacobson & Truax 1991, J Consult Clin Psychol 59:12; Christensen & Mendoza 1986; "
        "Maassen 2004, 10.1017/s1355617704106097; each error's own source in mart.reliable_change",
        verification="verified",
        parameters=(
            "nrs_sem",
            "vas_sem",
            "odi_sem",
            "rmdq_sem",
            "ndi_sem",
            "eq5d_sem",
            "nrs_recovered_at",
            "vas_recovered_at",
            "odi_recovered_at",
            "rmdq_recovered_at",
            "ndi_recovered_at",
            "min_cell",
        ),
        tests=(
            "tests/transforms/statistics/test_reliable_change.py",
            "tests/transforms/rules/test_measurement_error.py",
            "tests/transforms/marts/test_important_change.py",
        ),
    ),
    Metric(
        id="course_relief",
        version="1",
        title="Change of pain in the second course beside the first (changes, not effects)",
        rule="patients with two treatment episodes one after the other in one study: of those whose visit window has "
        "closed in both and who have the change in both, the mean change from each episode's own baseline and the "
        "mean of the second minus the first, with t intervals; by the pain parameter that stands for the patient in "
        "the first episode",
        unit=None,
        direction="none",
        source="a proposal of Floe; paired t interval: Student 1908, Biometrika 6:1",
        verification="proposal",
        parameters=("episode_gap_days",),
        tests=("tests/transforms/marts/test_course_relief.py",),
    ),
    Metric(
        id="regression_to_the_mean",
        version="1",
        title="Change that regression to the mean alone would give",
        rule="sd (1 - reliability) phi(z) / (1 - Phi(z)), z = (cut-off - mean) / sd, of the unselected population; "
        "shown beside a before/after change, never subtracted",
        unit="points",
        direction="none",
        source="Davis 1976; Barnett 2005; Linden 2013, 10.1186/1471-2288-13-119",
        verification="verified",
        parameters=("rtm_mean", "rtm_sd", "rtm_reliability", "rtm_cutoff", "rtm_source"),
        tests=("tests/transforms/rules/test_pain.py",),
    ),
)

PATIENTS: tuple[Metric, ...] = (
    Metric(
        id="patient_outcomes",
        version="5",
        title="Headline outcomes of a patient",
        rule="of the first treatment episode; of each outcome the first parameter with a baseline; latest value after it; a change, not an effect; no responder rule is met from the day of an opioid begun, injection, surgery or rescue on",
        unit=None,
        direction="none",
        source="a proposal of Floe",
        verification="proposal",
        parameters=("sustained_min_days", "valid_day_wear_h"),
        tests=("tests/transforms/marts/test_patient_outcomes.py",),
    ),
)
