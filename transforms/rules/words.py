"""Words by which a free text names a death, or an injury that is told at once: terms are what
people write.

Here: the words, in the languages of the countries whose reporting rules Floe knows and of their
neighbours, how a text is read, and a closed list's value as people spell it. Not here: the
contract's own kinds (alerting/harm.py). To tell one too many is the lesser fault; what reads like an injury
and is none (a burning sensation, a faint redness, "no burn") is taken out first. A proposal of this
project, not a coded dictionary.

A text is read in small letters without accents, width or case, an underscore, a digit or a capital
within a word as the word's end (`plain`): the words are written so.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

_INJURIES = (
    # English
    r"\w*burn(s|t|ed)?",
    r"scald\w*",
    r"\w*frost\W?bit(e|es|ten|ing)",
    r"frost\W?nip(s|ped)?",
    r"(freezing|freeze|cold)\W?(induced )?(injur\w*|damage\w*|trauma\w*)",
    r"chil(l)?blains?",
    r"pernio\w*",
    r"necro[st]\w*",
    r"gangren\w*",
    r"dead (skin|tissue)",
    r"as(ph|p|f)(yx|ix|iks)\w*",
    r"suff?ocat\w*",
    r"(an|hyp)oxi\w*",
    r"\w*syncop\w*",
    r"faint(s|ed|ing)?",
    r"pass(ed|es|ing)?\W*out",
    r"(black|knock)(ed|s|ing)?\W*outs?",
    r"(los[st]|loos\w*|losing|loses?|loss of|lack of) (of )?con\w*ness",
    r"(uncon[cs]|unconc?s)\w*ious\w*",
    r"(un|non\W?)responsi\w*",
    r"[ck]oll?aps\w*",
    r"resuscitat\w*",
    # German
    r"\w*verbrenn\w*",
    r"\w*verbrannt\w*",
    r"\w*verbru(e)?h\w*",
    r"brand(wund|blas|verletz)\w*",
    r"\w*erfrier\w*",
    r"\w*erfror\w*",
    r"\w*(frost|kalte|kaelte|gefrier)(schad|schaed|beul|brand|verletz)\w*",
    r"\w*erstick\w*",
    r"\w*s[yi]n[kc]op\w*",
    r"ohnm(a|ae)cht\w*",
    r"\w*bewus{1,2}t(seins)?(los|verlust|verlor)\w*",
    r"bewusstsein verloren",
    r"kollab\w*",
    r"wiederbeleb\w*",
    r"\w*nekro[st]\w*",
    # French
    r"brul(ure|ures|e|ee|es|ees|er)",
    r"(en)?gelures?",
    r"lipoth?[iy]m\w*",
    r"suffo(c|qu)\w*",
    r"etouff\w*",
    r"evanou\w*",
    r"(perte|perdu|perd) (de )?(la )?con(naiss|sc)\w*",
    r"inconscien\w*",
    r"reanim\w*",
    # Spanish
    r"quemad\w*",
    r"congelaci\w*",
    r"congelad[oa]s?",
    r"sabanon\w*",
    r"sofoca(cion|d)\w*",
    r"desmay\w*",
    r"(perdida|perdio|perder) (de |del |el |la )?con(oc|c|sc)i\w*",
    # Italian
    r"ustion\w*",
    r"(bruciatur|scottatur)\w*",
    r"congelament\w*",
    r"gelon[ei]",
    r"(asfissi|collass)\w*",
    r"soffoc\w*",
    r"sven(ut|iment)\w*",
    r"(perdita|perso) (di |la )?(coscien|conoscen)\w*",
    r"incoscien\w*",
    # Dutch
    r"\w*brandwond\w*",
    r"\w*verbrand\w*",
    r"bevriez\w*",
    r"\w*bevror\w*",
    r"flauw\W?(ge)?val\w*",
    r"viel flauw",
    r"bewuste?loos\w*",
    r"bewustzijnsverlies",
    r"verstik\w*",
    # Polish
    r"(o|po)parz\w*",
    r"odmroz\w*",
    r"(o|ze)mdl\w*",
    r"nieprzytomn\w*",
    r"(utrata|utracil\w*|stracil\w*) przytomnos\w*",
    r"udus\w*",
    r"martwic\w*",
)
_DEATHS = (
    # English
    r"deaths?",
    r"dead",
    r"died",
    r"deceased",
    r"fatal\w*",
    r"lethal\w*",
    r"mortal\w*",
    r"post\W?mortem",
    r"lifeless",
    r"suicide",
    r"killed",
    r"(patient|pt) expired",
    r"(cardiac|cardio\w*|respiratory|cardio\W?pulmonary|heart) arrests?",
    r"asystol\w*",
    r"pulseless",
    r"(stopped|ceased) breathing",
    # German
    r"verst(o|a)rb\w*",
    r"gestorben\w*",
    r"starb",
    r"tod",
    r"todes\w*",
    r"to(e)?dlich\w*",
    r"tot\W?(auf|vor)?ge(funden|borgen)\w*",
    r"(ist|war|fur|wurde) tot",
    r"tote[rnms]? (person|patient\w*|mann|frau)",
    r"leblos\w*",
    r"let[ah]l\w*",
    r"exitus",
    r"\w*(herz|kreislauf|atem)\w*stillstand\w*",
    # French, Spanish, Italian
    r"deces",
    r"decede\w*",
    r"mort(e|es|s|el|els|elle|elles|o|i|ale|ali)?",
    r"arrets? (cardi|respirat)\w*",
    r"muert\w*",
    r"muri(o|eron)",
    r"fallec\w*",
    r"defuncion\w*",
    r"par(o|ada) (cardi|respirat)\w*",
    r"decess[oi]",
    r"decedut\w*",
    r"arresto (cardi|respirat)\w*",
    # Dutch, Polish
    r"overle(den|ed)",
    r"overlijd\w*",
    r"dood",
    r"dodelijk\w*",
    r"(hart|adem)stilstand",
    r"zgon\w*",
    r"zmarl\w*",
    r"smier(c|teln)\w*",
    r"nie zyje",
    r"martw(y|a|e|ego|ej)",
    r"zatrzymani\w* (akcji serca|krazenia)",
)
# Harm that is said by what is not there: these are looked for before negations are taken out.
_ABSENCE_OF_LIFE = (
    r"not breath\w*",
    r"no (breathing|respiration|pulse|heart\W?beat|signs? of life|vital signs?)",
    r"(keine?|ohne) (atmung|puls|lebenszeichen)",
    r"atmet (nicht|nicht mehr)",
    r"ne respire (plus|pas)",
    r"(sans|pas de) (pouls|respiration)",
    r"no respira\w*",
    r"sin (pulso|respiracion)",
    r"(non respira|senza (polso|respiro))",
    r"(ademt niet|geen (pols|hartslag|ademhaling))",
    r"(nie oddycha|bez (tetna|oddechu))",
)
_ABSENCE_OF_MIND = (
    r"(not|no longer) (conscious|respon\w*|arous\w*|rous\w*)",
    r"(no|without) (consciousness|response)",
    r"nicht (mehr )?(ansprechbar|bei bewusstsein)",
    r"ohne bewusstsein",
    r"sans con(naissance|science)",
    r"sin con(ocimiento|ciencia|sciencia)",
    r"senza con?(oscenza|scienza)",
    r"(zonder|buiten) bewustzijn",
    r"bez przytomnosci",
)
# None of these is an injury or a death, or it is said that there was none: of one sentence, a
# line's end ends it.
_NOT = (
    r"burning (sensation|feeling)s?",
    r"(heart|au|side)\W?burn\w*",
    r"burn(t|ed)?\W?outs?",
    r"faint (redness|erythema|rash|pain|marks?|lines?|bruis\w*|swelling|odou?r|smell|discolou?ration)",
    r"brulures? d.estomac",
    r"sensations? de brulures?",
    r"sensacion(es)? de quem\w*",
    r"dead (leg|arm|battery|batteries|line|display|end|time|weight|bolt|spot|zone|man)s?",
    r"died (down|away|off|out)",
    r"non\W?(fatal|lethal)",
    r"fatal (error|exception|fault)s?",
    r"(no|not|never|without|kein\w*|ohne|nicht|sans|pas d.|aucune?|sin|senza|nessun\w*|zonder|geen|bez|\w+n.t)"
    r" (a |any |sign of |signs of )?\w+",
)


@dataclass(frozen=True)
class Harm:
    """`words` say it unless they are negated; `absences` say it by a negation."""

    words: tuple[str, ...]
    absences: tuple[str, ...]


INJURY = Harm(_INJURIES, _ABSENCE_OF_MIND)
DEATH = Harm(_DEATHS, _ABSENCE_OF_LIFE)
# As an outcome of an event these say it too; elsewhere they are other words (Dutch `tot`, a
# calibration that expired).
DEATH_AS_OUTCOME = Harm((*_DEATHS, "tot", "expired", "ex", "exit"), _ABSENCE_OF_LIFE)


def plain(text: pl.Expr) -> pl.Expr:
    """The text in small letters, without accents, ligatures, invisible characters; words end where
    letters do.
    """
    text = text.str.normalize("NFKD").str.replace_all(r"[\p{M}\p{Cf}]", "")
    text = text.str.replace_all(r"(\p{Ll})(\p{Lu}\p{Ll})", "$1 $2")
    text = text.str.replace_all(r"(\p{L})(\p{N})", "$1 $2").str.replace_all(
        r"(\p{N})(\p{L})", "$1 $2"
    )
    text = text.str.to_lowercase().str.replace_all("_", " ")
    return text.str.replace_many(["ß", "ł", "ø", "œ", "æ"], ["ss", "l", "o", "oe", "ae"])


def any_says(harm: Harm, *columns: str | pl.Expr) -> pl.Expr:
    """Whether one of the columns or expressions (texts, null = says nothing) says it, in any
    spelling of `plain`.

    What stands between two words of it may be anything; a negation and what it negates stand on one
    line and in one sentence, with one blank between them.
    """
    words = _one_of(harm.words)
    absences = _one_of(harm.absences)
    nothing = _one_of(_NOT, between=" ")
    texts = [plain(pl.col(column) if isinstance(column, str) else column) for column in columns]
    says = [
        text.str.contains(absences) | text.str.replace_all(nothing, " ").str.contains(words)
        for text in texts
    ]
    return pl.any_horizontal(condition.fill_null(False) for condition in says)


def is_death() -> pl.Expr:
    """Of core.adverse_events: whether the event is a death, by its outcome, grade, criteria or
    words; never null.
    """
    by_value = (pl.col("outcome") == "fatal").fill_null(False) | (pl.col("grade") == 5).fill_null(
        False
    )
    by_words = any_says(
        DEATH,
        "preferred_term",
        "term",
        "injury_kind_raw",
        pl.col("serious_criteria").list.join(", ", ignore_nulls=True),
    )
    return by_value | any_says(DEATH_AS_OUTCOME, "outcome_raw") | by_words


def _one_of(words: Iterable[str], *, between: str = r"\W+") -> str:
    choices = "|".join(words).replace(" ", between)
    return rf"\b({choices})\b"


def closed_value(name: str, values: Iterable[str]) -> pl.Expr:
    """The column of a closed list, of what is not in it as sent (`NAME_raw`) the value that it is
    but for its spelling.
    """
    sent = plain(pl.col(f"{name}_raw")).str.strip_chars().str.replace_all(r"[\s\-]+", "_")
    return pl.when(sent.is_in(list(values))).then(sent).otherwise(name)
