"""The questionnaires: items, what an answer may be, how they are scored in words, the source.

Here: a record an instrument. Not here: the parameters that it gives (parameters.py), scores by a
table (transforms/instruments).
"""

from dataclasses import dataclass

PAIN_RECALLS = {  # item: (end of the parameter's code, in words)
    "average_7d": ("7D", "average of the last 7 days"),
    "back_7d": ("BACK", "back, last 7 days"),
    "leg_7d": ("LEG", "leg, last 7 days"),
    "neck_7d": ("NECK", "neck, last 7 days"),
    "now": ("NOW", "now"),
}
PROMIS_29_DOMAINS = ("pf", "anx", "dep", "fat", "slp", "soc", "pi")
EQ_5D_DIMENSIONS = ("mo", "sc", "ua", "pd", "ad")
_COMPUTED = "table computed from item parameters (EAP of the sum), printed table not at hand"


@dataclass(frozen=True, kw_only=True)
class Prorated:
    """`factor` times the mean of the items answered, of which `needed` must be; null = an option
    says how many.
    """

    factor: float
    needed: int | None


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """A questionnaire. `items`: code to the lowest and highest answer, whole numbers where
    `is_whole`.

    Its parameters are answers as given, or one is `prorated`; others are scored in
    transforms/instruments. `rule`: the score in words, with the site's `options`. `is_pain`: it asks
    about pain. `is_asked_in_part`: an item that a response does not have was not asked.
    `recall`: of what time its questions are. `form`: the version that is scored, None where there is
    but one. `has_change`: a change of it has a meaning. `is_case_mix`: it describes patients at baseline and
    is no outcome.
    """

    id: str
    items: dict[str, tuple[float, float]]
    recall: str
    rule: str
    source: str
    verification: str
    form: str | None = None
    options: tuple[str, ...] = ()
    prorated: Prorated | None = None
    is_whole: bool = True
    is_pain: bool = False
    is_asked_in_part: bool = False
    has_change: bool = True
    is_case_mix: bool = False

    @property
    def published_rule(self) -> str:
        return f"{self.rule}; asked of {self.recall}"

    @property
    def published_source(self) -> str:
        return f"{self.source}; form {self.form}" if self.form else self.source

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and highest answer to any item."""
        return min(low for low, _ in self.items.values()), max(
            high for _, high in self.items.values()
        )


def _numbered(
    prefix: str, count: int, limits: tuple[float, float]
) -> dict[str, tuple[float, float]]:
    return {f"{prefix}{number}": limits for number in range(1, count + 1)}


INSTRUMENTS: dict[str, Instrument] = {
    instrument.id: instrument
    for instrument in (
        Instrument(
            id="nrs_pain",
            items=dict.fromkeys(PAIN_RECALLS, (0, 10)),
            recall="the last 7 days, or now (by item)",
            rule="the answer, 0-10; each item (recall, place) is its own parameter",
            source="Dworkin 2008, DOI 10.1016/j.jpain.2007.09.005; Chiarotto 2018, PMC5828378",
            verification="verified",
            is_pain=True,
            is_asked_in_part=True,
            is_whole=False,
        ),
        Instrument(
            id="vas_pain",
            items=dict.fromkeys(PAIN_RECALLS, (0, 100)),
            recall="the last 7 days, or now (by item)",
            rule="the mark, 0-100 mm; never pooled with the NRS",
            source="Ostelo 2008, Spine 33:90",
            verification="verified",
            is_pain=True,
            is_asked_in_part=True,
            is_whole=False,
        ),
        Instrument(
            id="pain_index",
            items={"index": (0, 100)},
            recall="the days of a diary",
            rule="the diary's score, 0-100, as given",
            source="Vickers 2004, BMJ 328:744",
            verification="verified",
            is_pain=True,
            is_whole=False,
        ),
        Instrument(
            id="pain_days_28",
            items={"days": (0, 28)},
            recall="the last 28 days",
            rule="days with pain in 28 days, as given",
            source="Vickers 2004, BMJ 328:744",
            verification="verified",
            is_pain=True,
            is_whole=False,
        ),
        Instrument(
            id="odi",
            items=_numbered("s", 10, (0, 5)),
            recall="today",
            rule="100 x sum / (5 x sections answered), at least {odi_min_items} of 10; only where a licence is stated (here: {odi_licensed})",
            source="Fairbank & Pynsent 2000, Spine 25:2940",
            form="2.1a",
            verification="verified",
            options=("odi_min_items", "odi_licensed"),
            prorated=Prorated(factor=20, needed=None),
        ),
        Instrument(
            id="rmdq",
            items=_numbered("q", 24, (0, 1)),
            recall="today",
            rule="statements ticked, 0-24; up to two unanswered in proportion (x 24 / answered)",
            source="Roland & Fairbank 2000, Spine 25:3115; missing rule: proposal",
            verification="verified",
            prorated=Prorated(factor=24, needed=22),
        ),
        Instrument(
            id="ndi",
            items=_numbered("s", 10, (0, 5)),
            recall="today",
            rule="100 x sum / (5 x sections answered), at least 8 of 10",
            source=(
                "Vernon & Mior 1991, J Manipulative Physiol Ther 14:409; Vernon's notes on its scoring (chiro.org, "
                "NDI_Explain): the mean of the others for one not answered; fewest of 8: proposal"
            ),
            verification="verified",
            prorated=Prorated(factor=20, needed=8),
        ),
        Instrument(
            id="promis_pi_4a",
            items=_numbered("q", 4, (1, 5)),
            recall="the last 7 days",
            rule="T-score of the sum of 4 items by table; all answered",
            source="HealthMeasures scoring manual of the adult profiles 2021, table of form 4a",
            verification="verified",
        ),
        Instrument(
            id="promis_pi_6a",
            items=_numbered("q", 6, (1, 5)),
            recall="the last 7 days",
            rule="T-score of the sum of 6 items by table; all answered",
            source=f"parameters of choir-d @408fec1; {_COMPUTED}; raw 15 -> 58.6 as CMS ACCESS prints it",
            form="v1.0",
            verification="unverified",
        ),
        Instrument(
            id="promis_pf_6b",
            items=_numbered("q", 6, (1, 5)),
            recall="no period",
            rule="T-score of the sum of 6 items by table; all answered",
            source=(
                f"parameters of choir-d @408fec1; {_COMPUTED}; raw 17 -> 36.8 as CMS "
                "ACCESS prints it, 14 other T as BACPAC prints them"
            ),
            form="v1.2",
            verification="unverified",
        ),
        Instrument(
            id="promis_29",
            items={
                **{
                    item: limits
                    for domain in PROMIS_29_DOMAINS
                    for item, limits in _numbered(domain, 4, (1, 5)).items()
                },
                "pain": (0, 10),
            },
            recall="the last 7 days (physical function: of no period)",
            rule="weighted sum of seven domain T-scores and pain intensity; all answered",
            source=(
                "Hays 2018, PMC5999556 (summaries); domains: HealthMeasures scoring manual of the adult profiles 2021"
            ),
            form="v2.1",
            verification="verified",
        ),
        Instrument(
            id="pgic",
            items={"pgic": (1, 7)},
            recall="the time since the start",
            rule="the category, 1 very much improved to 7 very much worse",
            source="Dworkin 2008, DOI 10.1016/j.jpain.2007.09.005",
            verification="verified",
            has_change=False,
        ),
        Instrument(
            id="eq_5d_5l",
            items={**dict.fromkeys(EQ_5D_DIMENSIONS, (1, 5)), "vas": (0, 100)},
            recall="today",
            rule="utility of the five-digit profile in the clinic's country's value set; EQ VAS as given",
            source="Herdman 2011, Qual Life Res 20:1727; value sets: supplied by the user",
            verification="verified",
        ),
        Instrument(
            id="start_back",
            items={**_numbered("q", 9, (0, 1)), "q9": (0, 4)},
            recall="the last 2 weeks",
            rule="nine items, the ninth 3-4 of 0-4 counts 1; class by total <= 3 and psychosocial subscale <= 3",
            source="Hill 2008, Arthritis Rheum 59:632; class rule as Physiopedia, WikiMSK and awell-score give it",
            verification="verified",
            has_change=False,
            is_case_mix=True,
        ),
    )
}
CASE_MIX = tuple(instrument.id for instrument in INSTRUMENTS.values() if instrument.is_case_mix)
