"""What one FHIR Observation says: readings, a pain rating or a performance test, or why it is not
taken over.

Here: status, code and subject of an Observation, one after the other. Not here: its time, unit and
value (fhir_measured.py), files and events (fhir.py), FHIR's JSON (fhir_json.py), the codes
(transforms/facts/vocabulary.py).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET

from transforms.facts.vocabulary import CONCEPTS, CONTRADICTIONS, LOINC_SYSTEMS, Concept

from .fhir_json import Moment, Observation, Reference, moment, observation
from .fhir_measured import IN_ERROR, measured

_REVISION = {
    "final": 0,
    "amended": 1,
    "appended": 1,
    "corrected": 1,
    IN_ERROR: 2,
}  # where the server counts none
_NOT_YET = ("registered", "preliminary", "specimen-in-process")
_LARGEST_VERSION = 10**15

_OFFSET = re.compile(r"(Z|[+-]\d\d:\d\d)$")

_OTHER_RESOURCE = "only Observations are read"
_QUESTIONNAIRE = "the items of a questionnaire have no codes that all use: send them as floe.responses.v1, by the contract's names"


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What one Observation says, before it is known which patient its subject is."""

    topic: str
    subject: str
    identity: str | None
    revision: int
    time: Moment
    data: dict[str, Any]
    device: str | None = None


def fact_of(
    kind: str, text, *, where: ZoneInfo | None, deleted: Collection[str] = ()
) -> Fact | str:
    """What the resource says, or why it is not taken over.

    `deleted`: ids of Observations that their server deleted: such a one says that it was entered in
    error.
    """
    if kind != "Observation":
        return f"{kind}: {_QUESTIONNAIRE if kind == 'QuestionnaireResponse' else _OTHER_RESOURCE}"
    observed = observation(text)
    is_deleted = not isinstance(observed, str) and observed.id in deleted
    if is_deleted:
        observed = msgspec.structs.replace(observed, status=IN_ERROR)
    concept = observed if isinstance(observed, str) else _concept(observed)
    if isinstance(concept, str):
        return concept
    reason = _unfit(observed, concept)
    subject = _id_of(observed.subject, kind="Patient")
    if reason or subject is None:
        return reason or f"{concept.code}: found no subject that is a patient, expected Patient/ID"
    time, data = measured(observed, concept, where=where)
    if time is None:
        return f"{concept.code}: {data}"
    version = observed.meta.version_id or ""
    is_counted = version.isdecimal() and int(version) < _LARGEST_VERSION
    device = _id_of(observed.device, kind="Device") if concept.metric else None
    if device:
        data["device_id"] = device = f"fhir-{device}"
    return Fact(
        topic="readings"
        if concept.metric
        else "performance_tests"
        if concept.test
        else "responses",
        subject=subject,
        identity=_identity(observed),
        revision=(int(version) if is_counted else _REVISION[observed.status]) + is_deleted,
        time=time,
        data=data | ({} if concept.metric else _record_fields(observed)),
        device=device,
    )


def _concept(observed: Observation) -> Concept | str:
    """The one thing that the Observation's codes say it is, or why it is nothing that is taken
    over.
    """
    codings = observed.code.coding
    codes = [c.code for c in codings if c.system in LOINC_SYSTEMS and c.code]
    concepts = [CONCEPTS[code] for code in codes if code in CONCEPTS]
    if not concepts:
        return (
            f"code {codes[0]}: not one of those read"
            if codes
            else "found no LOINC code, expected one"
        )
    for concept in concepts:
        if concept.refusal:
            return f"{concept.code} ({concept.label}): {concept.refusal}"
    concept = concepts[0]
    if len({c.code for c in concepts}) > 1:
        return (
            f"{' and '.join(sorted({c.code for c in concepts}))}: found two meanings, expected one"
        )
    for coding in codings:
        if why := CONTRADICTIONS.get((concept.code, coding.code)):
            return f"{concept.code}: {why}"
    texts = [
        x
        for c in (observed.code, observed.method)
        for x in (c.text, *(t for k in c.coding for t in (k.code, k.display)))
    ]
    if concept.metric == "heart_rate_variability_sdnn" and any(
        "rmssd" in text.lower() for text in texts if text
    ):
        return f"{concept.code}: found RMSSD under the code of SDNN, which is another statistic"
    return concept


def _unfit(observed: Observation, concept: Concept) -> str | None:
    """Why an Observation of this concept is not taken over, whatever was measured when; None where
    nothing speaks against it.
    """
    if observed.modifier_extension or observed.implicit_rules:
        return (
            f"{concept.code}: found modifierExtension or implicitRules, which can turn its meaning"
        )
    if observed.focus:
        return f"{concept.code}: found a focus: it is of something else than the patient"
    if concept.item and (observed.body_site is not UNSET or observed.body_structure is not UNSET):
        return f"{concept.code}: found a body site: pain of one site is not pooled with pain now, which has none"
    if observed.status in _NOT_YET:
        return f"status {observed.status}: not a result yet; import it when it is final"
    if observed.status not in _REVISION:
        return f"status {observed.status}: expected one of {', '.join(_REVISION)}"
    if _REVISION[observed.status] and _identity(observed) is None:
        return f"status {observed.status}: found neither id nor identifier, so what it corrects is not known"
    if observed.status == IN_ERROR and concept.metric:
        return (
            f"status {IN_ERROR} of readings ({concept.code}): not sent; a series can't be withdrawn, so what was "
            "imported before stays"
        )
    return None


def _identity(observed: Observation) -> str | None:
    return observed.id or next(
        (f"{i.system or ''}|{i.value}" for i in observed.identifier if i.value), None
    )


def _record_fields(observed: Observation) -> dict[str, Any]:
    """Correction fields; the time of writing only where it is an instant."""
    recorded = next(
        (t for text in (observed.meta.last_updated, observed.issued) if (t := _instant(text))), None
    )
    status = "entered_in_error" if observed.status == IN_ERROR else None
    return {"record_status": status, "recorded_at": recorded and str(recorded)}


def _instant(text: str | None) -> Moment | None:
    """A time that is an instant whatever the time zone."""
    if text and "T" in text and _OFFSET.search(text):
        return moment(text, where=None)
    return None


def _id_of(reference: Reference | None, *, kind: str) -> str | None:
    """`ID` of `Patient/ID`, a whole URL or URN as it stands, else the identifier; None of a thing
    of another kind.
    """
    text = (reference.reference or "") if reference else ""
    text = text.split("/_history/")[0]
    if text.startswith("urn:"):
        return text
    *before, of, id = text.split("/") if "/" in text else ("", "")
    if text and not text.startswith("#"):
        return (text if before else id) if of == kind and id else None
    if reference and reference.identifier:
        return reference.identifier.value or None
    return None
