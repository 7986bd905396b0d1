"""A record on which the rules fail keeps nobody else's alerts back, and is told of itself.

Here: planted failures in a watcher on a real lake. Not here: a look that succeeds
(test_watcher.py).
"""

import pytest

from ingest.alerting import apart, look
from ingest.alerting.duty import TOPIC
from tests.alert_site import burn, opened

PATIENTS = [f"P{k}" for k in range(3, 6)]
ALL = ["P1", "P2", *PATIENTS]


@pytest.fixture
def site(tmp_path, with_lake):
    with opened(tmp_path, with_lake) as site:
        site.land(
            *(
                ("patients", {"patient_id": p, "clinic_id": "C1", "enrolled_on": "2026-04-01"})
                for p in PATIENTS
            )
        )
        yield site


@pytest.fixture
def poison(monkeypatch):
    """Whose adverse events, or which incidents, make the judgement raise: a set to change."""
    poisoned = set()

    def planted(judge):
        def of(core, **options):
            incidents = core["incidents"]["incident_id"] if "incidents" in core else ()
            ids = {*core["adverse_events"]["patient_id"], *incidents}
            if wrong := ids & poisoned or (poisoned & {"anybody"}):
                raise ZeroDivisionError(f"planted by {sorted(wrong)}")
            return judge(core, **options)

        return of

    for name in ("of_core", "of_harm"):
        monkeypatch.setattr(look, name, planted(getattr(look, name)))
    return poisoned


def burns(*patients: str, **given) -> list[tuple]:
    return [burn(ae_id=f"E-{patient}", patient_id=patient, **given) for patient in patients]


def states(site, rule: str) -> dict[str, str]:
    return {subject: state for of_rule, subject, state in site.alerts() if of_rule == rule}


@pytest.mark.parametrize("who", [["P1"], ["P1", "P5"], ALL])
def test_all_others_are_told(site, poison, who):
    """Wherever in the batch they stand, be it all: each that can't be judged is told of once, to
    the operator, with its clinic.
    """
    poison.update(who)
    site.land(*burns(*ALL))
    site.look()
    assert states(site, "harm") == {f"E-{p}": "open" for p in ALL if p not in who}
    assert states(site, "not_judged") == {f"patients/{p}": "open" for p in who}
    told = [d["payload"] for d in site.deliveries(TOPIC) if d["payload"]["rule"] == "not_judged"]
    assert {(p["tier"], p["clinic_id"], p["news"]) for p in told} == {("now", "C1", "opened")}
    assert "planted by" in told[0]["finding"]
    site.land(*burns(*who, body_site="calf"))
    site.look()
    site.watcher.look_at_reports(now=site.now)
    assert site.news(TOPIC) == []


def test_once_it_can_be_judged_its_alert_closes_and_the_others_come(site, poison):
    """After a mended Floe was started, though nothing of the patient has landed since; what stood
    before, stayed.
    """
    site.land(burn(ae_id="before"))
    site.look()
    poison.add("P1")
    site.land(*burns("P1", "P2"))
    site.look()
    assert states(site, "harm") == {"before": "open", "E-P2": "open"}
    poison.clear()
    site.restart()
    site.look()
    site.watcher.look_at_reports(now=site.now)
    assert states(site, "harm") == {"before": "open", "E-P1": "open", "E-P2": "open"}
    assert states(site, "not_judged") == {"patients/P1": "closed"}
    poison.add("P1")
    site.land(*burns("P1", grade=3, revision=1))
    site.look()
    assert states(site, "not_judged") == {"patients/P1": "open"}


def test_a_correction_clears_it_too(site, poison):
    """The record lands anew and can be judged: closed by that look."""
    poison.add("P1")
    site.land(*burns("P1"))
    site.look()
    poison.clear()
    site.land(*burns("P1", grade=2, revision=1))
    site.look()
    assert states(site, "not_judged") == {"patients/P1": "closed"}


def test_a_single_record_is_told_of_by_its_own_id(site, poison):
    """An incident has no patient: the other incident and the burn beside it are told."""
    poison.add("I1")
    each = {"clinic_id": "C1", "occurred_at": site.now, "subject_kind": "staff", "kind": "burn"}
    site.land(*(("incidents", each | {"incident_id": id}) for id in ("I1", "I2")), burn())
    site.look()
    assert (states(site, "incident"), states(site, "harm")) == ({"I2": "open"}, {"E1": "open"})
    assert states(site, "not_judged") == {"incidents/I1": "open"}
    poison.clear()
    site.watcher.look_at_reports(now=site.now)
    assert states(site, "incident") == {"I1": "open", "I2": "open"}


@pytest.mark.parametrize(("is_all", "most"), [(True, 20), (False, 3)])
def test_what_is_no_patients_fault_is_told_of_none(site, poison, monkeypatch, is_all, most):
    """A look at nobody that fails, or more than some twenty (here three) who can't be judged: the
    whole look fails and is taken again from where the book stands.
    """
    monkeypatch.setattr(apart, "_MOST", most)
    poison.update(["anybody"] if is_all else ALL)
    site.land(*burns(*ALL))
    with pytest.raises(ZeroDivisionError):
        site.look()
    assert site.alerts() == []
    poison.clear()
    site.restart()
    site.look()
    assert states(site, "harm") == {f"E-{p}": "open" for p in ALL}
