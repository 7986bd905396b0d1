"""Who is on duty and by which way each is told: the site's own file, FLOE_ALERTS, as TOML
(docs/alerts.md shows one).

Here: its shape, its checks, who comes next. Not here: the rules of alerts
(transforms/alerting/rules.py), sending.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import time
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from transforms.alerting.rule import AlertRule, Tier
from transforms.alerting.rules import OTHER, RULES
from transforms.errors import UsageError
from transforms.schemas import TOPIC_BY_NAME

from .misread import like, of_day, sentence, whole

TOPIC = TOPIC_BY_NAME["alerts"].type  # told of everything, as if it were a sink
_LONGEST_MIN = 7 * 24 * 60  # until the next is told
Detail = Literal["least", "subject", "finding"]
MORNING = time(7, 0)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def url_fault(url: str) -> str:
    """What is wrong with an address of a receiver, without repeating it: it may hold a token; '' =
    nothing.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        is_spoken = host is not None and bool(host.encode("idna"))
    except ValueError:
        return "it is no URL"
    if parts.scheme not in ("http", "https") or not is_spoken:
        return "a URL begins with https:// (or http://) and a host"
    if parts.username is not None:
        return "a URL may not hold a user and password; a signature (secret_env) says who sends"
    if (
        not (url[len(parts.scheme) :].isprintable() and (parts.path + parts.query).isascii())
        or " " in url
    ):
        return "a path and query of a URL are ASCII, without blanks (percent-encode the rest)"
    return ""


class _Sink(_Part):
    name: Annotated[str, like(r"[A-Za-z0-9_.-]{1,60}", "1 to 60 letters (a to z), digits, _ . -")]
    detail: Detail = "least"
    # `noted` is told to nobody: it is in the list
    tiers: Annotated[tuple[Literal["now", "today"], ...], Field(min_length=1)] = ("now", "today")


_PATH = Annotated[Path, like(r"[^\0]*[^\0\s][^\0]*", "the path of a file, in quotes")]


class Webhook(_Sink):
    kind: Literal["webhook"]
    url: str = ""
    url_env: str = ""  # the variable that holds the URL, where that is a secret
    format: Literal["floe", "pagerduty", "slack"] = "floe"
    secret_env: str = ""
    routing_key_env: str = ""  # PagerDuty's
    proxy: str = ""
    ca_file: _PATH | None = None

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Webhook":
        if bool(self.url) == bool(self.url_env):
            raise ValueError(
                "give the address as url, or as url_env the variable that holds it: one of the two"
            )
        for name, url in (("url", self.url), ("proxy", self.proxy)):
            if url and (fault := url_fault(url)):
                raise ValueError(f"{name}: {fault}")
        if (self.format == "pagerduty") != bool(self.routing_key_env):
            raise ValueError(
                "format pagerduty, and no other, needs routing_key_env: the variable with the routing key"
            )
        return self


_ADDRESS = Annotated[
    str,
    like(
        r"[^\s,;<>@\0]+@[^\s,;<>@\0]+",
        "one address, as name@clinic.example, without a name before it",
    ),
]


class Email(_Sink):
    kind: Literal["email"]
    host: Annotated[str, like(r"[^\s\0]+", "the mail server's name or address")]
    port: Annotated[int, whole(1, 65_535)] = 587
    is_tls: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password_env: str = ""
    sender: _ADDRESS
    to: Annotated[tuple[_ADDRESS, ...], Field(min_length=1)]
    ca_file: _PATH | None = None

    @model_validator(mode="after")
    def _keeps_its_password(self) -> "Email":
        if bool(self.username) != bool(self.password_env):
            raise ValueError("username and password_env go together")
        if self.username and self.is_tls == "none":
            raise ValueError("a password is not sent without TLS: is_tls is starttls or tls")
        return self


class File(_Sink):
    kind: Literal["file"]
    path: _PATH


Sink = Annotated[Webhook | Email | File, Field(discriminator="kind")]


class _Clinic(_Part):
    morning: Annotated[time, BeforeValidator(of_day)] = MORNING


class _Rule(_Part):
    told: Annotated[str, like(r".*\S.*", "a role, as in rota")] | None = None
    acknowledge_min: Annotated[int, whole(1, _LONGEST_MIN, " of minutes")] | None = None


_A_LINK = "an address that begins with https:// or http://, without blanks and without < > |"


class Duty(_Part):
    """The file's content; without one nobody is told beyond the alerts' topic, the pages and
    `floe alerts`.
    """

    link: Annotated[str, like(r"(https?://[^\s<>|]+)?", _A_LINK)] = ""
    sinks: tuple[Sink, ...] = ()
    rota: dict[str, tuple[str, ...]] = {}
    clinics: dict[str, _Clinic] = {}
    rules: dict[str, _Rule] = {}

    @model_validator(mode="after")
    def _names_fit(self) -> "Duty":
        names = [sink.name for sink in self.sinks]
        for name in {n for n in names if names.count(n) > 1}:
            raise ValueError(f"two sinks are named {name!r}: give one another name")
        if TOPIC in names:
            raise ValueError(
                f"a sink is named {TOPIC!r}, as is the topic that is told of everything: name it otherwise"
            )
        for role, of_role in self.rota.items():
            for name in {n for n in of_role if of_role.count(n) > 1}:
                raise ValueError(
                    f"rota.{role} names {name!r} twice: a sink is told once, so name it once"
                )
            for name in set(of_role) - set(names):
                raise ValueError(
                    f"rota.{role} names the sink {name!r}, which is not among {sorted(names)}"
                )
        for name in set(self.rules) - set(RULES):
            raise ValueError(f"rules.{name} is none of the rules {', '.join(sorted(RULES))}")
        roles = {self.rule(name).told for name in RULES}
        for role in set(self.rota) - roles:
            raise ValueError(
                f"rota.{role}: no rule tells that role; those told are {', '.join(sorted(roles))}"
            )
        return self

    def rule(self, name: str) -> AlertRule:
        """The rule with what this site says of it; of a rule that is none of Floe's `OTHER`."""
        own = self.rules.get(name)
        given = own.model_dump(exclude_none=True) if own else {}
        return replace(RULES.get(name, OTHER), **given)

    def told(self, rule: str, tier: Tier, *, step: int) -> Iterator[Sink]:
        """The sinks that hear of an alert at a step (0 = at once, then while nobody acknowledged
        it).

        At once, or in the morning: the first of its role's rota that takes the tier and every sink
        that is in no rota; then the next of the rota that does, one each.
        """
        rota = self._rota(rule, tier)
        in_a_rota = {name for of_role in self.rota.values() for name in of_role}
        for sink in self.sinks:
            is_turn = step < len(rota) and sink.name == rota[step]
            if tier in sink.tiers and (is_turn or (step == 0 and sink.name not in in_a_rota)):
                yield sink

    def steps(self, rule: str) -> int:
        """How many of its role's rota are told `now`, one after the other."""
        return len(self._rota(rule, "now"))

    def _rota(self, rule: str, tier: Tier) -> list[str]:
        takes = {sink.name for sink in self.sinks if tier in sink.tiers}
        return [name for name in self.rota.get(self.rule(rule).told, ()) if name in takes]

    def untold(self, tier: Tier) -> list[str]:
        """The rules of which nobody is told where a cause is of a tier, for want of a sink for
        their role.
        """
        of_tier = (
            name for name, rule in RULES.items() if tier == "today" or rule.tier == tier
        )  # late, it is `today`
        return [name for name in of_tier if not list(self.told(name, tier, step=0))]


def read_duty(path: str) -> Duty:
    """The file's duty; '' = none. Raises UsageError: what was found, what was expected, what to
    do.
    """
    if not path:
        return Duty()
    try:
        given = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        return Duty.model_validate(given)
    except OSError as error:
        raise UsageError(
            f"FLOE_ALERTS names {path}, which can't be read ({error.strerror}): mend the path or clear it"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} (FLOE_ALERTS) is not TOML: {error}") from None
    except ValidationError as error:
        faults = (
            error.errors()
        )  # of a name that was misspelt first: what seems missing follows from it
        first = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
        what = sentence(first, given, _settings_at)
        raise UsageError(
            f"{path} (FLOE_ALERTS), {what}; docs/alerts.md shows what it may say"
        ) from None


def _settings_at(place: tuple) -> type[BaseModel]:
    """The settings that a place of the file may have."""
    kinds = {"webhook": Webhook, "email": Email, "file": File}
    tables = {"sinks": lambda: kinds[place[2]], "clinics": lambda: _Clinic, "rules": lambda: _Rule}
    if not place:
        return Duty
    return tables[place[0]]()
