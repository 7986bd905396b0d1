"""Clinics with their devices, monitors and protocols, and what goes wrong there without a patient.

Here: `open_clinics`, `send_clinics`. Not here: patients and sessions.
"""

from datetime import timedelta

from .outbox import Outbox, chance, stamp
from .plan import Plan
from .state import Clinic, Device, Limits, Protocol
from .trouble import send_trouble

PLACES = (
    ("Harbour Pain Clinic", "England", "GB", "Europe/London"),
    ("Spree Spine Centre", "Berlin", "DE", "Europe/Berlin"),
    ("Hudson Back Institute", "New York", "US", "America/New_York"),
    ("Front Range Recovery", "Colorado", "US", "America/Denver"),
    ("Bondi Cold Therapy", "New South Wales", "AU", "Australia/Sydney"),
    ("Deccan Spine Care", "Telangana", "IN", "Asia/Kolkata"),
    ("Vistula Rehabilitation", "Masovia", "PL", "Europe/Warsaw"),
    ("Cascade Pain Center", "Washington", "US", "America/Los_Angeles"),
)
OFFERED = (
    ("whole_body", "local"),
    ("partial_body", "local"),
    ("whole_body",),
    ("whole_body", "partial_body"),
)
# modality -> maker, model, setpoint; allowed: coldest and warmest cabin, longest exposure, coldest
# skin
MODALITY = {
    "whole_body": ("Zimmer", "icelab", -110.0, -125.0, -85.0, 180.0, 8.0),
    "partial_body": ("JUKA", "CryoSauna", -140.0, -160.0, -105.0, 180.0, 6.0),
    "local": ("Metrum", "Cryoflex", -78.0, -90.0, -50.0, 180.0, 4.0),
}


def open_clinics(plan: Plan) -> list[Clinic]:
    clinics = []
    for k in range(plan.clinics):
        name, region, country, zone = PLACES[k % len(PLACES)]
        number = k // len(PLACES) + 1
        clinic = Clinic(
            clinic_id=f"C{plan.seed}-{k + 1:02d}",
            position=k,
            region=region,
            country=country,
            timezone=zone,
            name=name if number == 1 else f"{name} {number}",
            modalities=OFFERED[k % len(OFFERED)],
        )
        _equip(clinic, plan=plan)
        clinics.append(clinic)
    return clinics


def _equip(clinic: Clinic, *, plan: Plan):
    """Devices and protocols: the first clinic replaces a device half-way, every other one tightens
    its limits.
    """
    middle = plan.start + timedelta(days=plan.days // 2)
    stem = f"D{plan.seed}-{clinic.position + 1:02d}"
    for modality in clinic.modalities:
        device = Device(
            device_id=f"{stem}-{modality}-1", kind="cryo", modality=modality, in_use_from=plan.start
        )
        clinic.devices.append(device)
        if clinic.position % 6 == 0 and modality == clinic.modalities[0]:
            device.retired_on = middle
            clinic.devices.append(
                Device(
                    device_id=f"{stem}-{modality}-2",
                    kind="cryo",
                    modality=modality,
                    in_use_from=middle,
                )
            )
        clinic.protocols[modality] = _protocol(clinic, modality=modality, plan=plan)
    clinic.devices.append(
        Device(device_id=f"{stem}-room-1", kind="room_monitor", in_use_from=plan.start)
    )


def _protocol(clinic: Clinic, *, modality: str, plan: Plan) -> Protocol:
    _, _, _, coldest, warmest, longest, skin = MODALITY[modality]
    first = Limits(
        effective_from=clinic.at(plan.start - timedelta(days=365)),
        cabin_min_temp_c=coldest,
        cabin_max_temp_c=warmest,
        max_duration_s=longest,
        min_hours_between_sessions=12.0,
        max_sessions_per_week=5,
        skin_min_temp_c=skin,
        room_min_oxygen_pct=19.5,
    )
    versions = [first]
    if clinic.position % 2 == 0:
        later = clinic.at(plan.start + timedelta(days=plan.days // 2))
        versions.append(
            Limits(
                **{
                    **vars(first),
                    "effective_from": later,
                    "max_duration_s": longest - 20.0,
                    "skin_min_temp_c": skin + 1.0,
                }
            )
        )
    return Protocol(
        protocol_id=f"PR{plan.seed}-{clinic.position + 1:02d}-{modality}",
        modality=modality,
        versions=versions,
    )


def send_study(outbox: Outbox, clinics: list[Clinic]):
    """The study that runs beside routine care, before its first patient."""
    plan = outbox.plan
    if not plan.study_share:
        return
    data = {
        "study_id": plan.study_id,
        "title": "A simulated randomised trial",
        "reference_arm": plan.arms[-1],
        "stratification": ["clinic"],
        "primary": {"parameter": "NRS7D", "visit": "Week 8", "method": "ancova"},
    }
    first = clinics[0]
    opened = first.at(plan.start)
    rng = plan.rng(11, 0)
    outbox.record(
        "studies", plan.study_id, data, rng=rng, key=plan.study_id, time=opened, zone=first.zone
    )


def send_clinics(outbox: Outbox, clinics: list[Clinic]):
    for clinic in clinics:
        rng = outbox.plan.rng(0, clinic.position)
        outbox.record(
            "clinics",
            clinic.clinic_id,
            {
                "clinic_id": clinic.clinic_id,
                "name": clinic.name,
                "region": clinic.region,
                "country": clinic.country,
                "timezone": clinic.timezone,
                "is_device_user_facility": clinic.country == "US",
            },
            rng=rng,
            key=clinic.clinic_id,
            time=outbox.plan.starts_at,
            zone=clinic.zone,
        )
        for protocol in clinic.protocols.values():
            _send_protocol(outbox, clinic, protocol=protocol, rng=rng)
        for device in clinic.devices:
            _send_device(outbox, clinic, device=device, rng=rng)
        send_trouble(outbox, clinic, rng=rng)


def _send_protocol(outbox: Outbox, clinic: Clinic, *, protocol: Protocol, rng):
    for number, version in enumerate(protocol.versions, 1):
        limits = {k: v for k, v in vars(version).items() if k != "effective_from"}
        time = max(version.effective_from, outbox.plan.starts_at)
        outbox.record(
            "protocols",
            protocol.protocol_id,
            {
                "protocol_id": protocol.protocol_id,
                "effective_from": stamp(version.effective_from, clinic.zone),
                "clinic_id": clinic.clinic_id,
                "modality": protocol.modality,
                **limits,
            },
            rng=rng,
            key=protocol.protocol_id,
            time=time,
            zone=clinic.zone,
            variant=f".v{number}",
        )


def _send_device(outbox: Outbox, clinic: Clinic, *, device: Device, rng):
    """Into use, calibrated every 120 days (sometimes forgotten), and retired."""
    plan = outbox.plan
    maker, model = MODALITY[device.modality][:2] if device.modality else ("Dräger", "O2 sentinel")
    data = {
        "device_id": device.device_id,
        "clinic_id": clinic.clinic_id,
        "kind": device.kind,
        "modality": device.modality,
        "manufacturer": maker,
        "model": model,
        "firmware": "4.2.0",
    }
    day, revision = device.in_use_from, 0
    last = min(device.retired_on or plan.end, plan.end)
    while day < last:
        data |= {
            "calibrated_on": day.isoformat(),
            "calibration_due_on": (day + timedelta(days=120)).isoformat(),
        }
        outbox.record(
            "devices",
            device.device_id,
            data,
            rng=rng,
            key=device.device_id,
            zone=clinic.zone,
            time=max(clinic.at(day, 7.0), plan.starts_at),
            revision=revision,
        )
        day, revision = day + timedelta(days=160 if chance(rng, 0.2) else 115), revision + 1
    if device.retired_on is not None:
        outbox.record(
            "devices",
            device.device_id,
            data | {"retired_on": device.retired_on.isoformat()},
            rng=rng,
            key=device.device_id,
            time=clinic.at(device.retired_on, 7.0),
            zone=clinic.zone,
            revision=revision,
        )
