"""Which texts name a death or an injury, in whose language and spelling soever, and which do not.

Here: texts. Not here: what is told of an event that has one (test_judging.py).
"""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.rules.words import DEATH, DEATH_AS_OUTCOME, INJURY, any_says, closed_value


def says(harm, text: str | None) -> bool:
    return (
        pl.DataFrame({"text": [text]}, schema={"text": pl.String})
        .select(any_says(harm, "text"))
        .item()
    )


INJURIES = {
    "codes": "cold_burn,burn_2nd_degree,burn1,2burns,ColdBurn,BURN2,frost_bite,Loss_of_consciousness",
    "English": "coldburn,cryoburn,sunburn,freeze burn,freezing injury,scald,frost-bitten toe,frostbiting,frost nip,pernio,"
    "necrosis of the toe,gangrene,dead skin,passing out,passed-out,blacked  out,unresponsive,not responding,not conscious,"
    "loss of conciousness,loss of con\nsciousness?loss-of-consciousness,unconcious,hypoxia,suffocated,not only a burn",
    "German": "Frostschaden,Frostschäden,Erfrierung,Verbrennung,Kaelteverbrennung,Verbrühung,Kälteschaden,Brandblase,"
    "Gefrierbrand,bewußtlos,Bewusstseinsverlust,ohnmächtig,kollabiert,Erstickung,Nekrose,nicht ansprechbar",
    "French": "Brûlé,brulure,engelure,perte de connaissance,perte de conscience,a perdu connaissance,évanouissement,"
    "étouffement,suffoqué,nécrose,sans connaissance",
    "Spanish": "quemadura,congelación,sabañón,desmayo,pérdida de conciencia,pérdida del conocimiento,sofocación,asfixia",
    "Italian": "ustione,scottatura,congelamento,geloni,svenimento,perdita di coscienza,soffocamento,asfissia,collasso",
    "Dutch": "brandwond,verbranding,bevriezing,flauwgevallen,bewusteloos,bewustzijnsverlies,verstikking,buiten bewustzijn",
    "Polish": "oparzenie,odmrożenie,omdlenie,zemdlał,nieprzytomny,utrata przytomności,uduszenie,martwica",
    "spellings": "\uff22\uff55\uff52\uff4e,brûlure,fro\u200bstbite,bu\u00adrn,suﬀocation",
    "no negation of it": "gloves: no\nburn on hand,gloves: no. burn on hand,gloves: no  burn on hand,gloves: no\tburn",
}
DEATHS = {
    "English": "Fatal,FATALITY,dead,found dead,person_found_dead,lethal,died,cardiac arrest,not breathing,no pulse,"
    "stopped breathing,patient expired",
    "others": "mort,Mort,morte,décès,décédée,arrêt cardiaque,tot aufgefunden,patient ist tot,tödlich,toedlich,Todesfall,"
    "letal,exitus,Herzstillstand,verstorben,muerte,fallecido,paro cardíaco,deceduto,overleden,zgon,zmarł,śmierć,nie żyje",
}


@pytest.mark.parametrize("kind", INJURIES)
def test_an_injury_is_read_however_it_is_spelled(kind):
    """A code, an accent that is dropped or apart, a wide letter, a word in another, a misspelling;
    no line ends a negation.
    """
    assert [text for text in INJURIES[kind].split(",") if not says(INJURY, text)] == []


@pytest.mark.parametrize("kind", DEATHS)
def test_a_death_is_read_however_it_is_said(kind):
    """By the word, by what stood still, by what was not there."""
    assert [text for text in DEATHS[kind].split(",") if not says(DEATH, text)] == []


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        *[
            "burning sensation",
            "brandende pijn",
            "bruciore",
            "heartburn",
            "heart burn",
            "Sodbrennen",
            "sensation de brûlure",
        ],
        *[
            "no burn",
            "no_burn",
            "no\xa0burn",
            "keine Verbrennung",
            "pas de brûlure",
            "senza ustioni",
            "sin quemaduras",
            "did not faint",
        ],
        *[
            "faint redness",
            "faint_redness",
            "burnout",
            "burnt out",
            "soreness",
            "numb",
            "collagen rash",
            "collaboration",
            "erythema",
        ],
        *[
            "dead leg",
            "dead battery",
            "non-fatal",
            "not fatal",
            "nonfatal",
            "died down",
            "lethargy",
            "toddler",
            "fatal error",
            "no death",
        ],
        "rougeur apparue plus tôt",
        "roodheid tot de knie",
        "dizziness without loss of consciousness",
    ],
)
def test_what_reads_like_harm_and_is_none_says_nothing(text):
    """A sensation, another word, a negation in the same sentence."""
    assert not says(INJURY, text)
    assert not says(DEATH, text)


@pytest.mark.parametrize(
    ("text", "expected"), [("tot", True), ("Tot ", True), ("Expired", True), ("recovered", False)]
)
def test_an_outcome_may_say_a_death_in_words_that_mean_something_else_elsewhere(text, expected):
    """Dutch `tot` is until, and a calibration expires."""
    assert says(DEATH_AS_OUTCOME, text) is expected
    assert not says(DEATH, text)


@given(text=st.text(max_size=30), around=st.sampled_from(["{}\nburn", "{}. burn", "{}; burn, {}"]))
def test_whatever_stands_in_another_sentence_hides_no_burn(text, around):
    """Property: any text at all, and then a burn in a line or sentence of its own."""
    assert says(INJURY, around.format(*[text] * around.count("{}")))


@pytest.mark.parametrize(
    ("value", "sent", "expected"),
    [
        ("other", "Fatal", "fatal"),
        ("other", "  FATAL\u00a0", "fatal"),
        ("other", "Resolved with-Sequelae", "resolved_with_sequelae"),
        ("other", "not fatal", "other"),
        ("fatal", None, "fatal"),
        (None, None, None),
    ],
)
def test_a_closed_value_is_one_in_whatever_letters(value, sent, expected):
    """Case, blanks around it, a hyphen for an underscore."""
    frame = pl.DataFrame(
        {"outcome": [value], "outcome_raw": [sent]},
        schema=dict.fromkeys(("outcome", "outcome_raw"), pl.String),
    )
    assert (
        frame.select(closed_value("outcome", ("fatal", "resolved_with_sequelae"))).item()
        == expected
    )
