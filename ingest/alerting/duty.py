"""Who is on duty and by which way each is told: the site's own file, FLOE_ALERTS, as TOML.

Here: its shape, its checks, who comes next. Not here: the rules of alerts (transforms/alerting/rules.py), sending.

    link = "https://floe.example"             # where the pages are; a delivery links to its alert there

    [[sinks]]
    name = "pager"                            # of your choice
    kind = "webhook"                          # webhook, email or file
    url = "https://events.example/v2/enqueue"
    format = "pagerduty"                      # floe (default), pagerduty, slack
    routing_key_env = "PAGER_KEY"             # the variable that holds PagerDuty's routing key
    secret_env = "PAGER_SECRET"               # the variable that holds the secret by which deliveries are signed
    detail = "least"                          # least, subject or finding: what leaves the site
    tiers = ["now", "today"]                  # default: now and today

    [rota]                                    # by role: the sinks, one after the other while nobody acknowledges
    duty_clinician = ["pager", "pager-of-the-second"]
    technician = ["mail"]

    [clinics.C1]
    morning = "07:30"                         # of the clinic's clock: when the digest of `today` is sent

    [rules.session_without_clearance]         # a rule's own values for this site
    acknowledge_min = 5
    told = "technician"
"""

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import time
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from transforms.alerting.rules import RULES, AlertRule, Tier
from transforms.errors import UsageError

Detail = Literal["least", "subject", "finding"]
MORNING = time(7, 0)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Sink(_Part):
    name: Annotated[str, Field(pattern=r"^[\w.-]{1,60}$")]
    detail: Detail = "least"
    tiers: tuple[Tier, ...] = ("now", "today")


class Webhook(_Sink):
    kind: Literal["webhook"]
    url: Annotated[str, Field(pattern=r"^https?://")]
    format: Literal["floe", "pagerduty", "slack"] = "floe"
    secret_env: str = ""
    routing_key_env: str = ""  # PagerDuty's


class Email(_Sink):
    kind: Literal["email"]
    host: str
    port: int = 587
    is_tls: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password_env: str = ""
    sender: str
    to: Annotated[tuple[str, ...], Field(min_length=1)]


class File(_Sink):
    kind: Literal["file"]
    path: Path


Sink = Annotated[Webhook | Email | File, Field(discriminator="kind")]


class _Clinic(_Part):
    morning: time = MORNING


class _Rule(_Part):
    told: str | None = None
    acknowledge_min: Annotated[int, Field(gt=0)] | None = None


class Duty(_Part):
    """The file's content; without one nobody is told beyond the alerts' topic, the pages and `floe alerts`."""

    link: str = ""
    sinks: tuple[Sink, ...] = ()
    rota: dict[str, tuple[str, ...]] = {}
    clinics: dict[str, _Clinic] = {}
    rules: dict[str, _Rule] = {}

    @model_validator(mode="after")
    def _names_fit(self) -> "Duty":
        names = [sink.name for sink in self.sinks]
        for name in {n for n in names if names.count(n) > 1}:
            raise ValueError(f"two sinks are named {name!r}")
        for role, of_role in self.rota.items():
            for name in set(of_role) - set(names):
                raise ValueError(f"rota.{role} names the sink {name!r}, which is not among {sorted(names)}")
        for name in set(self.rules) - set(RULES):
            raise ValueError(f"rules.{name} is none of the rules {', '.join(sorted(RULES))}")
        return self

    def rule(self, name: str) -> AlertRule:
        """The rule with what this site says of it."""
        own = self.rules.get(name)
        given = own.model_dump(exclude_none=True) if own else {}
        return replace(RULES[name], **given)

    def told(self, rule: str, tier: Tier, *, step: int) -> Iterator[Sink]:
        """The sinks that hear of an alert at a step (0 = at once, then while nobody acknowledged it).

        At once: the first of its role's rota and every sink that is in no rota; then the next of the rota, one each.
        """
        rota = self.rota.get(self.rule(rule).told, ())
        in_a_rota = {name for of_role in self.rota.values() for name in of_role}
        for sink in self.sinks:
            is_turn = step < len(rota) and sink.name == rota[step]
            if tier in sink.tiers and (is_turn or (step == 0 and sink.name not in in_a_rota)):
                yield sink

    def steps(self, rule: str) -> int:
        return len(self.rota.get(self.rule(rule).told, ()))


def read_duty(path: str) -> Duty:
    """The file's duty; '' = none. Raises UsageError: what was found, what was expected, what to do."""
    if not path:
        return Duty()
    try:
        return Duty.model_validate(tomllib.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(
            f"FLOE_ALERTS names {path}, which can't be read ({error.strerror}): mend the path or clear it"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} (FLOE_ALERTS) is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{path} (FLOE_ALERTS), {place}: {message}; docs/alerts.md shows what it may say") from None
