"""The topics of places and things: clinics, devices, protocols.

Here: their fields. Not here: people.
"""

from ...facts.limits import LIMITS
from .fields import CLINIC, MODALITIES, MODALITY, B, D, F, I, S, T, Topic, field

CLINICS: tuple[Topic, ...] = (
    Topic(
        "clinics",
        "Clinics.",
        "clinic_id",
        (
            field("clinic_id!", S, "clinic"),
            field("name", S, "name"),
            field("region", S, "region"),
            field("country", S, "ISO 3166 country code"),
            field("timezone!", S, "IANA time zone"),
            field("is_device_user_facility", B, "a device user facility under 21 CFR 803"),
        ),
    ),
    Topic(
        "devices",
        "Cryotherapy devices, wearables and monitors.",
        "device_id",
        (
            field("device_id!", S, "device"),
            CLINIC,
            field(
                "kind!", S, "kind of device", closed=("cryo", "wearable", "room_monitor", "other")
            ),
            field("modality", S, "kind of cryotherapy; cryo only", closed=MODALITIES),
            field("manufacturer", S, "manufacturer"),
            field("model", S, "model"),
            field("firmware", S, "firmware"),
            field("body_position", S, "where it is worn"),
            field("calibrated_on", D, "last calibration"),
            field("calibration_due_on", D, "next calibration due"),
            field("retired_on", D, "taken out of use"),
            field("retired_reason", S, "why it was taken out of use, or put back"),
        ),
    ),
    Topic(
        "protocols",
        "Protocol versions: the limits a session is judged by.",
        "protocol_id",
        (
            field("protocol_id!", S, "protocol"),
            field("effective_from!", T, "in force from"),
            CLINIC,
            MODALITY,
            *(
                field(
                    limit.field,
                    I if limit.is_whole else F,
                    limit.meaning,
                    limit.unit,
                    lo=limit.lower,
                    hi=limit.upper,
                )
                for limit in LIMITS.values()
            ),
        ),
    ),
)
