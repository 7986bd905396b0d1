"""The simulator: same plan, same bytes; what it says of itself is what it sends; its effects are in
the data.

Here: ingest/simulate, its events read back by the real decoder. Not here: the way through Kafka and
the lake.
"""

import base64
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from types import SimpleNamespace

import orjson
import polars as pl
import pytest

from ingest.contract import REASONS, record_key
from ingest.decode import decode
from ingest.simulate import Effects, Plan, simulate, simulate_live, write_ndjson
from ingest.source import Batch
from transforms.errors import UsageError
from transforms.facts.instruments import INSTRUMENTS
from transforms.records.conflicts import conflicts
from transforms.records.current import current, merge_patients
from transforms.schemas import TOPICS

NOW = datetime(2027, 1, 1, tzinfo=UTC)
FAULTY = Plan(
    patients=70,
    days=170,
    seed=11,
    duplicates_share=0.03,
    conflicts_share=0.01,
    late_share=0.05,
    broken_share=0.02,
    unknown_share=0.02,
    overlapping_clinics=0,
    wrong_clock_share=0,
)
FAULTY_STARTS, FAULTY_ENDS = (
    datetime.fromtimestamp(at, UTC) for at in (FAULTY.starts_at, FAULTY.ends_at)
)
DAY_S = 86_400


@pytest.fixture(scope="module")
def sent():
    """The faulty plan's records in order, decoded by topic, and its truth."""
    simulation = simulate(FAULTY)
    records = list(simulation)
    by_topic = defaultdict(list)
    for topic, key, value in records:
        by_topic[topic].append((key, value))
    decoded = {topic.split(".")[1]: _decoded(topic, rows) for topic, rows in by_topic.items()}
    return SimpleNamespace(records=records, decoded=decoded, truth=simulation.truth)


def _decoded(topic, rows):
    keys, values = zip(*rows, strict=True)
    batch = Batch(topic, "t", 0, 0, len(rows), list(range(len(rows))), list(keys), list(values))
    return decode(batch, ingested_at=NOW)


def _core(sent, name):
    status = current("patient_status", sent.decoded["patient_status"].rows)
    return merge_patients(current(name, sent.decoded[name].rows), status)


# --- the same, and the whole contract -----------------------------------------------------------


def test_the_same_plan_gives_the_same_bytes_and_another_seed_others():
    """Two runs of one plan agree record by record; every record of another seed differs."""
    plan = Plan(patients=12, days=60, seed=3, broken_share=0.05)
    first, again = list(simulate(plan)), list(simulate(plan))
    assert first == again
    assert not {v for _, _, v in first if v} & {
        v for _, _, v in simulate(replace(plan, seed=4)) if v
    }


def test_every_topic_of_the_contract_but_alerts_and_retractions_is_sent(sent):
    """A demo shows everything: all topics, all kinds of metric and signal, every status of a
    session.
    """
    assert set(sent.decoded) == {t.name for t in TOPICS} - {"alerts", "retractions"}
    assert sent.decoded["readings"].rows["metric"].n_unique() == 10
    assert sent.decoded["telemetry"].rows["signal"].n_unique() == 3
    assert set(sent.decoded["sessions"].rows["status"]) == {
        "delivered",
        "aborted",
        "missed",
        "cancelled",
    }


def test_what_the_decoder_sets_aside_is_exactly_what_was_broken(sent):
    """One by one: topic, key, bytes, reason code, field. Nothing else is rejected, so all other
    events are valid.
    """
    columns = ("kafka_topic", "key", "value", "reason", "field")
    found = Counter(
        row for d in sent.decoded.values() for row in d.rejects.select(columns).iter_rows()
    )
    assert found == Counter((b.topic, b.key, b.value, b.reason, b.field) for b in sent.truth.broken)
    codes = {b.reason for b in sent.truth.broken}
    rare = {"bad_timezone", "too_deep", "same_id_in_batch", "too_long"}
    never = {"unknown_topic", "unreadable_batch", "too_large", "wrong_content_type", "undecodable"}
    assert codes - rare == set(REASONS) - rare - never


def test_a_record_is_keyed_as_the_contract_says(sent):
    """Patient id, else device id, else the first id; a copy has its original's key, so it comes
    after it.
    """
    for topic, key, value in sent.records:
        if value and b'-broken"' not in value:
            try:
                event = orjson.loads(value)
            except orjson.JSONDecodeError:
                continue
            assert key == record_key(topic, event["data"])


# --- the truth about itself ---------------------------------------------------------------------


def test_counts_of_events_and_copies_are_those_of_what_was_sent(sent):
    """Distinct identities are the events; the same bytes again are duplicates; other bytes are
    conflicts.
    """
    truth, spoilt = sent.truth, Counter((b.topic, b.key, b.value) for b in sent.truth.broken)
    events, duplicates, conflicting, first = Counter(), Counter(), Counter(), {}
    for topic, key, value in sent.records:
        if spoilt[(topic, key, value)]:
            continue
        event, name = orjson.loads(value), topic.split(".")[1]
        identity = (event["source"], event["id"])
        if identity not in first:
            first[identity] = value
            events[name] += 1
        elif first[identity] == value:
            duplicates[name] += 1
        else:
            conflicting[name] += 1
    assert (events, duplicates, conflicting) == (truth.events, truth.duplicates, truth.conflicts)
    assert truth.records == len(sent.records)
    assert sum(v for d in (events, duplicates, conflicting) for v in d.values()) + len(
        truth.broken
    ) == len(sent.records)


def test_conflicts_are_found_as_such(sent):
    """`core.conflicts` has a row for each conflict sent, and none for a duplicate."""
    for name in ("sessions", "responses", "adverse_events", "readings", "telemetry"):
        assert conflicts(name, sent.decoded[name].rows).height == sent.truth.conflicts[name], name
    assert sent.truth.conflicts.total() > 50


def test_unknown_fields_and_values_are_counted(sent):
    """A field that the contract does not know lands in `extra`, a value of a closed list as `other`
    beside `_raw`.
    """
    extra = unknown = 0
    for name, decoded in sent.decoded.items():
        rows = decoded.rows.unique(("source", "event_id"))
        extra += rows["extra"].is_not_null().sum()
        unknown += sum(rows[c].is_not_null().sum() for c in rows.columns if c.endswith("_raw"))
        assert rows["extra"].is_not_null().sum() == sent.truth.extras[name]
    assert extra == sent.truth.extras.total() > 20
    assert unknown == sent.truth.unknown_values.total() > 20


def test_every_item_that_is_asked_is_one_of_the_contract(sent):
    """With an answer in its range: of what simulated clinics ask nothing is an item that no score
    knows. Items of instruments that are not listed are what the simulator sends unknown on purpose.
    """
    answers = [
        (instrument, item, answer)
        for instrument, items in _core(sent, "responses").select("instrument", "items").rows()
        if instrument in INSTRUMENTS
        for item, answer in orjson.loads(items).items()
    ]
    ranges = {
        (i.id, item): limits for i in INSTRUMENTS.values() for item, limits in i.items.items()
    }
    assert len(answers) > 500
    assert [
        (instrument, item, answer)
        for instrument, item, answer in answers
        if (limits := ranges.get((instrument, item))) is None
        or (answer is not None and not limits[0] <= answer <= limits[1])
    ] == []


def test_sessions_as_they_count_are_the_truth(sent):
    """By clinic where it happened and status, after corrections, without entries in error, copies
    or conflicts.
    """
    rows = _core(sent, "sessions").group_by("clinic_id", "status").len().rows()
    assert {(clinic, status): n for clinic, status, n in rows} == sent.truth.session_counts()
    revised = sent.decoded["sessions"].rows.filter(pl.col("revision") > 0)
    assert "entered_in_error" in set(revised["record_status"])


def test_adverse_events_as_they_count_are_the_truth(sent):
    """By clinic, term, grade and seriousness, after the last revision, without entries in error."""
    term = pl.coalesce("preferred_term", pl.col("term").str.to_lowercase())
    rows = (
        _core(sent, "adverse_events")
        .group_by("clinic_id", term.alias("t"), "grade", "is_serious")
        .len()
        .rows()
    )
    assert {row[:4]: row[4] for row in rows} == sent.truth.adverse_event_counts()
    raw = sent.decoded["adverse_events"].rows
    assert raw["revision"].max() >= 1
    assert raw["onset_at"].null_count() > 0


def test_days_at_risk_follow_from_the_sessions_sent(sent):
    """Each course from its first session to 30 days after its last, overlaps once, to the end of
    the day of death, withdrawal or the last contact of who was lost, and to the hour of the cut.

    Recomputed from the events, a second at a time being too many: by the ends of the courses of
    each patient.
    """
    zones = {
        row["clinic_id"]: row["timezone"] for row in _core(sent, "clinics").iter_rows(named=True)
    }
    home = {
        row["patient_id"]: zones[row["clinic_id"]]
        for row in _core(sent, "patients").iter_rows(named=True)
    }
    cut = sent.truth.data_cutoff.replace(minute=0, second=0, microsecond=0)

    def end_of(day, patient):
        local = pl.Series([datetime.combine(day + timedelta(days=1), datetime.min.time())])
        return local.dt.replace_time_zone(home[patient]).dt.convert_time_zone("UTC")[0]

    ends = dict.fromkeys(home, cut)
    for row in _core(sent, "patient_status").iter_rows(named=True):
        if row["status"] in ("withdrew", "died"):
            ends[row["patient_id"]] = min(cut, end_of(row["effective_on"], row["patient_id"]))
    begun = _core(sent, "sessions").filter(pl.col("status").is_in(("delivered", "aborted")))
    for patient, seen in _last_seen(sent, begun).items():
        if patient in ends and seen + timedelta(days=60) <= ends[patient]:
            local = pl.Series([seen]).dt.convert_time_zone(home[patient]).dt.date()[0]
            ends[patient] = end_of(local, patient)
    courses = begun.group_by("patient_id", "course_id").agg(
        first=pl.col("started_at").min(), last=pl.col("started_at").max()
    )
    found = defaultdict(float)
    covered = {}
    for patient, _, first, last in courses.sort("first").iter_rows():
        end = min(last + timedelta(days=30), ends[patient])
        start = max(first, covered.get(patient, first))
        covered[patient] = max(end, covered.get(patient, end))
        found[patient] += max((end - start).total_seconds(), 0.0) / DAY_S
    expected = sent.truth.days_at_risk()
    assert {p: days for p, days in found.items() if days} == pytest.approx(expected)
    assert any(p.stop == "withdrew" and p.patient_id in expected for p in sent.truth.patients)


def _last_seen(sent, begun):
    """Patient -> the newest moment of a record that somebody met the patient for, by the data
    cut.
    """
    moments = [begun.select("patient_id", at="started_at")]
    told = pl.col("outcome").ne_missing("fatal")
    for topic, column, is_contact in (
        ("consults", "occurred_at", True),
        ("screenings", "occurred_at", True),
        ("responses", "answered_at", True),
        ("performance_tests", "performed_at", True),
        ("care", "occurred_at", True),
        ("care", "reported_through", True),
        ("adverse_events", "onset_at", True),
        ("adverse_events", "aware_at", told),
        ("adverse_events", "resolved_at", told),
    ):
        moments.append(_core(sent, topic).filter(is_contact).select("patient_id", at=column))
    newest = pl.concat(moments).filter(pl.col("at") <= sent.truth.data_cutoff)
    return dict(newest.group_by("patient_id").agg(pl.col("at").max()).rows())


def test_limits_exceeded_are_those_of_the_version_in_force(sent):
    """Duration, the coldest cabin and oxygen, each session against the protocol's version at its
    start.
    """
    versions = current("protocols", sent.decoded["protocols"].rows).select(
        "protocol_id",
        "effective_from",
        "max_duration_s",
        limit_c="cabin_min_temp_c",
        limit_pct="room_min_oxygen_pct",
    )
    joined = (
        _core(sent, "sessions")
        .filter(pl.col("status").is_in(("delivered", "aborted")))
        .sort("started_at")
        .join_asof(
            versions.sort("effective_from"),
            left_on="started_at",
            right_on="effective_from",
            by="protocol_id",
            check_sortedness=False,
        )
    )
    truth = sent.truth.limit_exceedances()
    assert (joined["duration_s"] > joined["max_duration_s"]).sum() == truth["duration"]
    assert (joined["cabin_min_temp_c"] < joined["limit_c"]).sum() == truth["temperature_low"]
    assert (joined["room_min_oxygen_pct"] < joined["limit_pct"]).sum() == truth["oxygen"]
    assert versions["protocol_id"].is_duplicated().any()


def test_steps_are_the_sum_of_the_samples_that_count(sent):
    """Of two samples of one instant that in the later event (time, then id) counts; conflicts and
    copies do not.
    """
    rows = sent.decoded["readings"].rows.filter(pl.col("metric") == "step_count")
    counting = (
        rows.sort("kafka_offset")
        .unique(("source", "event_id"), keep="first")
        .sort("event_time", "event_id")
        .unique(("patient_id", "device_id", "started_at"), keep="last")
    )
    assert counting.height < rows.height
    sums = counting.group_by("patient_id", "device_id").agg(pl.col("values").list.sum().sum())
    assert {(p, d): steps for p, d, steps in sums.rows()} == sent.truth.steps


def test_the_cutoff_is_the_newest_time_of_an_event(sent):
    """Over all topics, broken records apart; nothing happens, or is written down, after the plan's
    end.
    """
    newest = max(d.rows["event_time"].max() for d in sent.decoded.values())
    assert newest == sent.truth.data_cutoff
    assert newest.timestamp() < FAULTY.ends_at
    for decoded in (d.rows for d in sent.decoded.values() if "recorded_at" in d.rows):
        assert (
            decoded["recorded_at"]
            .drop_nulls()
            .is_between(FAULTY_STARTS, FAULTY_ENDS, closed="left")
            .all()
        )


def test_the_truth_is_printable_and_json(sent):
    """`to_json` holds every broken record's bytes; `summary` names the seed and the clinics that
    differ.
    """
    told = orjson.loads(sent.truth.to_json())
    back = [b["value_base64"] and base64.b64decode(b["value_base64"]) for b in told["broken"]]
    assert back == [b.value for b in sent.truth.broken]
    assert sum(row["count"] for row in told["sessions"]) == len(sent.truth.sessions())
    assert "seed 11" in sent.truth.summary()
    assert "clinic 3 has 8 times the burns" in sent.truth.summary()


# --- order, faults and time ---------------------------------------------------------------------


def test_records_arrive_in_order_and_never_before_they_happened():
    """Arrival never falls and is at or after the event's time and `recorded_at`.

    The late ones are those that arrive a day or more after they were written down, a series after
    its last sample.
    """
    simulation = simulate(
        Plan(
            patients=25,
            days=80,
            late_share=0.1,
            duplicates_share=0,
            conflicts_share=0,
            broken_share=0,
        )
    )
    last, late, n = 0.0, 0, 0
    for at, _, _, value, _ in simulation.with_arrivals():
        event = orjson.loads(value)
        data = event["data"]
        written = datetime.fromisoformat(data.get("recorded_at") or event["time"]).timestamp()
        end = (
            datetime.fromisoformat(data["started_at"]).timestamp() if "values" in data else written
        )
        end += data["interval_s"] * len(data["values"]) if "values" in data else 0
        assert at >= max(last, written)
        last, n, late = at, n + 1, late + (at >= end + DAY_S)
    assert n > 4000
    assert late == simulation.truth.late.total() > 200


def test_shares_are_those_of_the_plan(sent):
    """Within four standard errors of a share of n events."""
    truth, n = sent.truth, sent.truth.events.total()
    for found, share in (
        (truth.duplicates.total(), FAULTY.duplicates_share),
        (truth.conflicts.total(), FAULTY.conflicts_share),
        (truth.late.total(), FAULTY.late_share),
        (len(truth.broken), FAULTY.broken_share),
    ):
        assert abs(found - share * n) < 4 * (share * (1 - share) * n) ** 0.5


def test_without_faults_nothing_is_sent_twice_or_broken():
    """Shares of 0 give 0."""
    plan = Plan(
        patients=8,
        days=60,
        duplicates_share=0,
        conflicts_share=0,
        late_share=0,
        broken_share=0,
        unknown_share=0,
    )
    simulation = simulate(plan)
    n = sum(1 for _ in simulation)
    assert simulation.truth.events.total() == n
    assert simulation.truth.late.total() == 0


CLOCKS = [(date(2026, 3, 29), 23), (date(2026, 3, 30), 24), (date(2025, 10, 26), 25)]


@pytest.mark.parametrize(("day", "hours"), CLOCKS)
def test_a_day_has_the_hours_that_its_clinic_s_clock_gives_it(day, hours):
    """London: `worn` by the minute covers 23 hours when the clocks go forward, 25 when they go
    back.
    """
    start = day - timedelta(days=20)
    plan = Plan(
        clinics=1,
        patients=20,
        days=30,
        start=start,
        wearables_share=1,
        minute_level_share=1,
        broken_share=0,
    )
    lengths = set()
    for topic, _, value in simulate(plan):
        if (
            topic == "floe.readings.v1"
            and b'"metric":"worn"' in value
            and f'"started_at":"{day}'.encode() in value
        ):
            lengths.add(len(orjson.loads(value)["data"]["values"]))
    assert lengths == {60 * hours}


# --- effects ------------------------------------------------------------------------------------


def test_pain_changes_as_the_effects_imply():
    """Enrolled patients start at the cutoff or above, and their mean change at week 8 is the
    implied one.

    Standard error: SD of a change about 2.2 points, over some 400 patients: 0.11; nearly four of
    them.
    """
    plan = Plan(
        patients=700,
        days=240,
        with_readings=False,
        with_telemetry=False,
        broken_share=0,
        conflicts_share=0,
        unknown_share=0,
        duplicates_share=0,
    )
    simulation = simulate(plan)
    answers = defaultdict(dict)
    for topic, _, value in simulation:
        if (
            topic == "floe.responses.v1"
            and b'"instrument":"nrs_pain"' in value
            and b'"scheduled"' in value
        ):
            data = orjson.loads(value)["data"]
            answers[data["patient_id"]][datetime.fromisoformat(data["answered_at"])] = data[
                "items"
            ]["average_7d"]
    first = {
        p.patient_id: p.first_session.started_at
        for p in simulation.truth.patients
        if p.first_session
    }
    changes, bases = [], []
    for patient, start in first.items():
        before = [v for at, v in answers[patient].items() if at.timestamp() < start]
        after = [
            v for at, v in answers[patient].items() if 50 <= (at.timestamp() - start) / DAY_S <= 64
        ]
        if before and after:
            bases.append(before[0])
            changes.append(after[0] - before[0])
    assert len(changes) > 300
    assert min(bases) >= plan.effects.pain_cutoff
    assert sum(changes) / len(changes) == pytest.approx(
        plan.effects.implied(57)["mean_change"], abs=0.4
    )
    assert _side_effects_are_at_their_rates(simulation.truth)
    assert _clinics_ask_as_often_as_they_do(simulation.truth)


def _side_effects_are_at_their_rates(truth) -> bool:
    """Events that happened against rate x sessions in each clinic, within four Poisson standard
    deviations.
    """
    exposed = Counter(s.clinic_id for _, s in truth.sessions() if s.is_started)
    clinics = sorted(exposed)
    for k, clinic in enumerate(clinics):
        for effect in truth.plan.effects.side_effects:
            expected = truth.plan.effects.rate(effect, clinic=k) * exposed[clinic]
            assert abs(truth.happened[(clinic, effect.term)] - expected) <= 4 * expected**0.5 + 4, (
                clinic,
                effect.term,
            )
    burns = {c: truth.happened[(c, "burn")] / exposed[c] for c in clinics}
    return max(burns, key=burns.get) == clinics[truth.plan.effects.burn_clinic]


def _clinics_ask_as_often_as_they_do(truth) -> bool:
    """The clinic that under-asks has the plan's low share, the others the usual one, within
    0.05.
    """
    asked, recorded = Counter(), Counter()
    for _, session in truth.sessions():
        if session.is_started and session.is_asked is not None:
            asked[session.clinic_id] += session.is_asked
            recorded[session.clinic_id] += 1
    shares = [asked[c] / recorded[c] for c in sorted(recorded)]
    expected = [truth.plan.effects.asked(k) for k in range(len(shares))]
    return shares == pytest.approx(expected, abs=0.05)


def test_regression_to_the_mean_is_barnett_s():
    """Without any effect the implied change is -sigma (1 - rho) phi(z) / (1 - Phi(z)) (Barnett
    2005).

    Mean 5, SD 2, reliability 0.7, cutoff 4: 0.305 on the exact scale; whole points from 3.5 on, cut
    at 0 and 10, give less.
    """
    nothing = Effects(natural_improvement=0.0, pain_improvement=0.0, pain_improvement_sd=0.0)
    assert -0.305 < nothing.implied(57)["mean_change"] < -0.15


def test_arms_are_randomised_and_usual_care_is_not_treated():
    """Patients of the study have an arm, allocated on a day; nobody in usual care has a session."""
    plan = Plan(patients=60, days=90, study_share=0.5, with_readings=False, broken_share=0)
    enrolments = {}
    simulation = simulate(plan)
    for topic, _, value in simulation:
        if topic == "floe.study_enrolments.v1":
            data = orjson.loads(value)["data"]
            enrolments[data["patient_id"]] = data
    assert {e["arm"] for e in enrolments.values()} == {"cryotherapy", "usual_care"}
    assert all(
        e["allocation"] == "randomised" and e["allocated_on"] >= e["from"]
        for e in enrolments.values()
    )
    assert 15 < len(enrolments) < 45
    treated = {p.arm for p, _ in simulation.truth.sessions()}
    assert treated == {None, "cryotherapy"}


# --- file and live ------------------------------------------------------------------------------


def test_a_file_holds_every_record_and_its_bytes(tmp_path):
    """A line is topic, key and the event; a broken record's bytes are in base64, a tombstone is
    null.
    """
    plan = Plan(patients=10, days=60, broken_share=0.05)
    path, told = tmp_path / "clinics.ndjson", []
    truth = write_ndjson(plan, path, progress=told.append)
    back = []
    assert truth.broken
    for line in path.read_bytes().splitlines():
        record = orjson.loads(line)
        if "value_base64" in record:
            value = base64.b64decode(record["value_base64"])
        else:
            value = None if record["value"] is None else orjson.dumps(record["value"])
        back.append((record["topic"], record["key"].encode(), value))
    assert Counter(back) == Counter(simulate(plan))
    assert truth.records == len(back)
    assert {r for r in told if r % 10_000} == set()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("acceleration", [1.0, 720.0])
def test_live_gives_history_at_once_and_then_nothing_before_it_happened(acceleration):
    """`due` never falls and never lies before the event's time or before now; both history and a
    future are there.
    """
    now = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
    plan = Plan(patients=10, days=60, broken_share=0, start=date(2026, 4, 2))
    live = simulate_live(plan, now, acceleration=acceleration, further_days=3)
    last, history, later = now, 0, 0
    for due, topic, _, value in live:
        assert due >= last
        last = due
        assert datetime.fromisoformat(orjson.loads(value)["time"]) <= due, topic
        history += due == now
        later += due > now
    assert history > 1000
    assert later > 10
    assert last > now + timedelta(days=2)


def test_live_goes_on_where_it_left_off():
    """A later start of the same plan gives the same events, without what arrived up to `since`."""
    plan = Plan(patients=5, days=20, start=date(2026, 4, 2))
    first = datetime(2026, 4, 22, tzinfo=UTC)
    left_off = first - timedelta(days=5)
    again = [
        r[1:]
        for r in simulate_live(plan, first + timedelta(days=3), since=left_off, further_days=5)
    ]
    sent = [r[1:] for r in simulate_live(plan, first, further_days=5)]
    assert 0 < len(again) < len(sent)
    assert sent[-len(again) :] == again


def test_live_needs_a_zone():
    """A clock without a zone, and an acceleration below 1, are usage errors that say what to
    give.
    """
    with pytest.raises(UsageError, match="Give it its time zone"):
        next(simulate_live(Plan(patients=1, days=5), datetime(2026, 6, 1)))
    with pytest.raises(UsageError, match="at least 1"):
        next(simulate_live(Plan(patients=1, days=5), NOW, acceleration=0.5))


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"clinics": 0}, "clinics is 0"),
        ({"patients": -1}, "patients is -1"),
        ({"days": 0}, "days is 0"),
        ({"seed": -3}, "seed is -3"),
        ({"late_share": 1.5}, "late_share is 1.5"),
    ],
)
def test_a_plan_that_can_not_be_says_so(wrong, said):
    """Found, expected, what to do; the exit code of wrong usage."""
    with pytest.raises(UsageError, match=said) as caught:
        Plan(**wrong)
    assert caught.value.exit_code == 2


def test_a_cutoff_that_nobody_reaches_says_so():
    """Enrolment would never end: the highest pain is 10, or the mean and three standard
    deviations.
    """
    with pytest.raises(UsageError, match="pain_cutoff is 9"):
        Effects(pain_mean=2.0, pain_sd=1.0, pain_cutoff=9)


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 3, 2), (9, 9, 20)])
def test_the_smallest_simulations_work(size):
    """One clinic, one patient, one day; more clinics than place names."""
    clinics, patients, days = size
    simulation = simulate(Plan(clinics=clinics, patients=patients, days=days))
    assert len(list(islice(simulation, 5))) == 5
    assert sum(1 for _ in simulation) + 5 == simulation.truth.records
    assert simulation.truth.events["clinics"] == clinics
    assert simulation.truth.summary()
