"""The simulator's truth: what is in the marts equals what the simulator says it sent, after the
whole way.

Here: simulated clinics through Kafka, ingest and Dagster. Not here: the same out of order and many
times over (tests/faults/under_load), the rules one by one (tests of each room).
"""

from collections import Counter

import polars as pl
import pytest

from orchestration.proving import verify_lake
from transforms.facts.limits import LIMITS
from transforms.facts.restrictions import rows_of
from transforms.schemas import CORE_TABLES, MART_TABLES
from transforms.schemas.raw import REJECTS

SECONDS_PER_YEAR = 365.25 * 86_400

pytestmark = pytest.mark.timeout(900)  # whoever comes first waits for a whole system


@pytest.fixture(scope="module")
def tables(clinics) -> dict[str, pl.DataFrame]:
    """Every table of core and mart."""
    with clinics.lake() as lake:
        described = (*CORE_TABLES.values(), *MART_TABLES.values())
        return {table.full_name: lake.table(table.full_name) for table in described}


def rates(tables, *strata: str) -> pl.DataFrame:
    """Rows of the adverse-event rates of these dimensions without a restriction."""
    frame = tables["mart.adverse_event_rates"].filter(
        pl.col("strata") == pl.lit(list(strata), pl.List(pl.String))
    )
    return frame.filter(rows_of("any"))


def started(truth) -> set[str]:
    """Patients with a session that began: whom the rates count."""
    return {p.patient_id for p, s in truth.sessions() if s.is_started}


def test_all_that_was_sent_is_accounted_for(clinics, sent):
    """Every record landed or was set aside; each proof of `floe verify` holds."""
    with clinics.lake() as lake:
        of_the_drain = lake.sql(
            "SELECT count(*) AS n FROM raw.alerts WHERE rule = 'unreadable_safety_record'"
        )["n"][0]
    assert of_the_drain > 0  # Floe's own, not of the simulation
    assert (
        clinics.report.events
        == sent.truth.records + of_the_drain
        == len(sent.records) + of_the_drain
    )
    proofs = list(verify_lake(clinics.settings))
    assert any("accounted for in core" in sentence for _, sentence in proofs)
    not_proved = [sentence for is_true, sentence in proofs if not is_true]
    assert [
        sentence for sentence in not_proved if "no Kafka answers" not in sentence
    ] == []  # its broker may have ended


def test_rejects_are_the_broken_records(clinics, sent):
    """The rejects equal the broken records one by one: topic, key, bytes, reason, field."""
    with clinics.lake() as lake:
        rejects = lake.opened(REJECTS, lake.table(REJECTS.full_name))  # what tells an arm is sealed
    rejects = rejects.select("kafka_topic", "key", "value", "reason", "field")
    broken = Counter((b.topic, b.key, b.value, b.reason, b.field) for b in sent.truth.broken)
    assert Counter(rejects.iter_rows()) == broken
    assert len({reason for *_, reason, _ in broken}) >= 10


def test_rows_by_topic(clinics, sent):
    """Each raw table holds the topic's events, late ones and copies included."""
    expected = sent.truth.events + sent.truth.duplicates + sent.truth.conflicts
    assert sent.truth.late.total() > 0 < sent.truth.duplicates.total()
    with clinics.lake() as lake:
        found = {
            name: lake.sql(f'SELECT count(*) AS n FROM raw."{name}"')["n"][0] for name in expected
        }
    assert found == dict(expected)


def test_sessions(tables, sent):
    """Sessions by clinic and status in mart.adex; delivered ones are the denominator of the
    rates.
    """
    counts = sent.truth.session_counts()
    assert Counter(tables["mart.adex"].select("CLINICID", "EXSTAT").rows()) == counts
    by_clinic = dict(rates(tables, "clinic_id").select("clinic_id", "sessions").unique().rows())
    assert by_clinic == {
        clinic: n for (clinic, status), n in counts.items() if status == "delivered"
    }


def test_adverse_events(tables, sent):
    """Adverse events by clinic, term, grade and seriousness in mart.adae, as they stand after the
    last revision.
    """
    found = tables["mart.adae"].select("CLINICID", "AEDECOD", "AETOXGR", "AESER").rows()
    expected = sent.truth.adverse_event_counts()
    assert (
        Counter((clinic, term, grade, serious == "Y") for clinic, term, grade, serious in found)
        == expected
    )
    assert expected.total() > 25


def test_events_in_the_rates(tables, sent):
    """Where no patient has a term twice, the rate's events are the truth's, clinic by clinic and
    term by term.

    Where one does, records of one event may have been made at two clinics, and each counts it.
    """
    records = [(p.patient_id, e.clinic_id, e.term) for p, e in sent.truth.adverse_events()]
    of_patient = Counter((patient, term) for patient, _, term in records)
    repeated = {
        (clinic, term) for patient, clinic, term in records if of_patient[patient, term] > 1
    }
    expected = Counter()
    for clinic in {clinic for _, clinic, _ in records}:
        inside, _ = sent.truth.events_in_time(clinic_id=clinic)
        expected |= Counter({(clinic, term): n for term, n in inside.items()})
    cells = rates(tables, "clinic_id").filter(pl.col("term").is_not_null() & (pl.col("events") > 0))
    found = {
        (clinic, term): n
        for clinic, term, n in cells.select("clinic_id", "term", "events").iter_rows()
    }
    once = expected.keys() - repeated
    assert {c: n for c, n in found.items() if c not in repeated} == {c: expected[c] for c in once}
    assert len(once) >= 8
    assert all(found.get(c, 0) >= expected[c] for c in repeated)


def test_new_events_in_time_at_risk_are_the_rates_numerator(tables, sent):
    """In all clinics together the events of any term are the new ones in time at risk, as the
    simulator counts them.
    """
    inside, _ = sent.truth.events_in_time()
    [whole] = rates(tables).filter(pl.col("term").is_null()).iter_rows(named=True)
    assert whole["events"] == inside.total()
    new = tables["mart.adae"].filter(pl.col("NEWFL") == "Y")
    counted = new.filter(
        (pl.col("ATRISKFL") == "Y") | (pl.col("ASTDTM").is_null() & (pl.col("TRTEMFL") == "Y"))
    )
    assert whole["patients_with_event"] == counted["USUBJID"].n_unique()
    assert whole["patients"] == len(started(sent.truth))


def test_person_time(tables, sent):
    """Patient-years of everybody are the simulator's days at risk / 365.25."""
    [whole] = rates(tables).filter(pl.col("term").is_null()).iter_rows(named=True)
    days = sent.truth.days_at_risk()
    assert whole["patient_years"] == pytest.approx(sum(days.values()) / 365.25, rel=1e-9)


def test_person_time_by_clinic(tables, sent):
    """Of a clinic: the time at risk after the sessions at that clinic alone."""
    truth = sent.truth
    expected = Counter()
    for patient in truth.patients:
        for clinic in {s.clinic_id for s in patient.sessions if s.is_started}:
            windows = truth.windows_at_risk(patient, clinic_id=clinic)
            expected[clinic] += sum(stop - start for start, stop in windows)
    rows = rates(tables, "clinic_id").filter(pl.col("term").is_null())
    found = dict(rows.select("clinic_id", "patient_years").rows())
    assert found == pytest.approx(
        {c: seconds / SECONDS_PER_YEAR for c, seconds in expected.items()}, rel=1e-9
    )
    assert len(found) == truth.plan.clinics


def test_conflicts(tables, sent):
    """Events sent again with other content are listed, topic by topic, and count nowhere."""
    copies = tables["core.conflicts"].filter(pl.col("kind") == "copy_differs")
    assert Counter(copies["topic"].to_list()) == sent.truth.conflicts
    assert sent.truth.conflicts.total() > 50


def test_limits_exceeded(tables, sent):
    """Sessions that exceeded each limit of their protocol, by what they and their devices
    measured.
    """
    flags = {limit.flag: limit.id for limit in LIMITS.values()}
    adex, truth = tables["mart.adex"], sent.truth.limit_exceedances()
    found = {limit: adex.filter(pl.col(flag) == "Y").height for flag, limit in flags.items()}
    assert found == {limit: truth[limit] for limit in flags.values()}
    assert sum(n > 0 for n in found.values()) >= 4


def test_steps(tables, sent):
    """Steps of each patient and device over all days are the sum of the samples that count."""
    days = tables["core.activity_days"].filter(pl.col("steps").is_not_null())
    sums = days.group_by("patient_id", "device_id").agg(pl.col("steps").sum())
    found = {(patient, device): steps for patient, device, steps in sums.iter_rows()}
    assert found == pytest.approx(
        {wearer: n for wearer, n in sent.truth.steps.items() if wearer in found or n}
    )
    assert len(found) > 20


def test_data_cut(tables, sent):
    """The data cut is the newest time of a readable event, whatever Floe itself wrote down
    later.
    """
    assert tables["core.data_cut"]["data_cutoff"].to_list() == [sent.truth.data_cutoff]


def test_checks(tables):
    """Every check of every table of core and mart was made and passes."""
    results = tables["mart.check_results"]
    assert results.filter(~pl.col("is_passed")).is_empty(), results.filter(
        ~pl.col("is_passed")
    ).to_dicts()
    assert set(results["table"]) >= {
        t.full_name for t in CORE_TABLES.values() if t.name not in ("alerts", "data_cut")
    }


def test_nothing_new_nothing_done(clinics):
    """Without new data a materialisation does nothing: no snapshot is made."""
    with clinics.lake() as lake:
        before = lake.snapshot()
    assert clinics.materialized
    assert not clinics.materialize()
    with clinics.lake() as lake:
        assert lake.snapshot() == before
