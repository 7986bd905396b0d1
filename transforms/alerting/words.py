"""Words by which a free text names a death, or an injury that is told at once: terms are what people write.

Here: the words, in the languages of the countries whose reporting rules Floe knows, and one expression. Not here: the
contract's own kinds (harm.py). To tell one too many is the lesser fault; what reads like an injury and is none (a burning
sensation, a faint redness, "no burn") is taken out first. A proposal of this project, not a coded dictionary.
"""

import polars as pl

INJURY = (
    # English
    r"burn(s|t|ed)?",
    r"\w*frost\W?bit(e|ten)",
    r"frost\W?nip(ped)?",
    r"chilblains?",
    r"asphyxia\w*",
    r"suffocat\w*",
    r"anoxi\w*",
    r"(pre\W?)?syncop\w*",
    r"faint(s|ed|ing)?",
    r"passed out",
    r"black(ed)?\W?out",
    r"loss of consciousness",
    r"lost consciousness",
    r"unconscious\w*",
    r"collaps\w*",
    # German
    r"\w*verbrenn\w*",
    r"\w*verbrannt\w*",
    r"\w*erfrier\w*",
    r"\w*erfroren\w*",
    r"frostbeulen?",
    r"\w*erstick\w*",
    r"\w*synkop\w*",
    r"ohnm(ä|ae|a)cht\w*",
    r"bewu(ss|ß)tlos\w*",
    r"kollab\w*",
    r"\w*kollaps\w*",
    # French
    r"br[ûu]lures?",
    r"gelures?",
    r"engelures?",
    r"asphyxie\w*",
    r"évanoui\w*",
    r"perte de connaissance",
)
DEATH = (r"deaths?", r"died", r"deceased", r"verstorben\w*", r"gestorben", r"todesfall", r"tod", r"décès", r"décédée?")
# None of these is an injury, or it is said that there was none.
_NOT = (
    r"burning (sensation|feeling)s?",
    r"faint (redness|erythema|rash|pain|marks?|lines?|bruis\w*|swelling|odou?r|smell|discolou?ration)",
    r"br[ûu]lures? d.estomac",
    r"sensations? de br[ûu]lures?",
    r"(no|not|without|kein\w*|ohne|sans|pas d.|aucune?)\s+(a |any |sign of |signs of )?\w+",
)


def any_says(words: tuple[str, ...], *columns: str) -> pl.Expr:
    """Whether one of the columns (texts, null = says nothing) has one of the words, whole, in any case."""
    pattern, nothing = rf"\b({'|'.join(words)})\b", rf"\b({'|'.join(_NOT)})\b"
    texts = (pl.col(name).str.to_lowercase().str.replace_all(nothing, " ") for name in columns)
    return pl.any_horizontal(text.str.contains(pattern).fill_null(False) for text in texts)
