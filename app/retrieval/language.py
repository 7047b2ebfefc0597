"""Whether a question is in a language that the index reads: English.

What no passage has says something only then. "Wieviel Schaden macht ein Feuerball?" has no word of any English book, and the
answer stands in one. In doubt the answer is no: a model may read what this cannot.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from app.index import terms
from app.index.search import LexicalIndex
from app.retrieval import spelling

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
# The last letters of the Latin script that European languages are written in.
_LATIN = "\u024f"
# "l'invisibilité", "d'expérience"; and the marks that no English question has.
_ELISION = re.compile(r"(?:^|[\s(])(?:[ldjnmts]|qu|c)['’](?=\w{3})|[¿¡«„]", re.IGNORECASE)

# Words that frame questions in other languages and are no English words. German, French, Spanish, Italian, Portuguese, Polish;
# Dutch, Scandinavian, Czech, Hungarian, Finnish, Turkish, Indonesian; Russian and Japanese in Latin letters.
_FOREIGN_WORDS = (
    "der das dem des ein eine einen einem einer eines und oder ist sind wie viele wieviel wann wo warum wer welche welcher "
    "welches kann darf mit ohne fuer beim auf aus von vom zum zur im nicht kein keine ich du es wir gibt hat haben wird "
    "werden macht bekommt kostet passiert funktioniert zwischen gegen wenn dass mein meine sein seine bei stufe ab le la les "
    "une et ou est sont que qui quel quelle quels quelles quoi combien pourquoi quand avec sans dans sous aux ce cet cette "
    "ces il elle ils je tu nous vous mes ses fait faut peut jour niveau contre un el los las una unos unas del y cuanto "
    "cuantos cuanta cuantas cual cuando donde quien para por su sus puede hace cuesta dura hay nivel dia desde hasta se "
    "porque de en gli uno dei delle della dello degli di da dal che chi cosa quanto quanti quante quando dove perche al alla "
    "ai nel nella puo sono livello giorno contro succede tipo jak ile czy gdzie kiedy dlaczego kto jest przy od dla moze "
    "zadaje kosztuje poziom sie z os um uma uns nos nas quantos quantas qual onde quem pelo pode faz ao pelos het een hoe "
    "hoeveel waar wanneer voor niet doet zijn hur och det ett vad mycket hvor hva hvad ikke og jeg kolik co jsou ve mennyi "
    "hogy egy mika kuinka paljon paljonko miten ja kac nasil bir icin berapa bagaimana yang krieger kaempfer magier zauber "
    "kleriker dieb ritter ruestung schwert schaden trefferpunkte erfahrungspunkte rettungswurf guerrier magicien pretre "
    "voleur sort sorts epee armure degats sauvegarde objet monstre repousser guerrero mago clerigo ladron hechizo hechizos "
    "conjuro conjuros espada armadura dano danos salvacion tesoro monstruo guerriero chierico ladro incantesimo incantesimi "
    "spada armatura danno danni salvezza mostro magia wojownik czarodziej kaplan zlodziej czar czary miecz pancerz obrazenia "
    "rzut skarb potwor klasa guerreiro ladrao feitico feiticos magias tesouro monstro resistencia skolko kak kakoi chto "
    "mozhet dlya wa ga desu nani "
)
FOREIGN = frozenset(_FOREIGN_WORDS.split())
# English stop words that other languages have, too: they tell nothing.
_SHARED_WORDS = (
    "a an all also am and as at by can did do for get give had has have he her his i in is it may me more must my no not now "
    "of on or over own so to too under up us want was we will"
)
_TELLING = terms.STOP_WORDS - frozenset(_SHARED_WORDS.split())

# One of so many words must be English where nothing else tells.
_SHARE = 3
# Shorter words are the same in many languages.
_SHORTEST = 4
_ENGLISH_END = re.compile(r"..(?:ing|ness|ity|ry|ly|ment|tion|ship|less|ful|sh|ght|ck)s?$")


def is_read(text: str, index: LexicalIndex) -> bool:
    """Whether `text` is English enough to be judged by its words. Raises DatabaseError when the index cannot be read.

    With English words around it ("who is Charizard?") it is, unless words of another language are as many. Without any
    ("Charizard stats"), a third of its words must be known.
    """
    if any(letter > _LATIN and letter.isalpha() for letter in text):
        return False
    typed = _WORD.findall(unicodedata.normalize("NFC", text))
    words = [terms.fold(word) for word in typed]
    known = plain(words, index)
    accented = {word for word, as_typed in zip(words, typed, strict=True) if not as_typed.isascii() and as_typed.islower()}
    frame = sum(word in _TELLING for word in words)
    foreign = sum(word in FOREIGN or word in accented - known for word in words) + len(_ELISION.findall(text))
    if foreign:
        return frame > 2 * foreign
    if frame:
        return True
    content = [word for word in words if word not in terms.STOP_WORDS]
    parts = {word: spelling.halves(word) for word in content if word not in known}
    made = plain({half for pairs in parts.values() for pair in pairs for half in pair}, index)
    compounds = {word for word, pairs in parts.items() if any(made.issuperset(pair) for pair in pairs)}
    long = [word for word in content if len(word) >= _SHORTEST]
    english = [word for word in long if word in known or word in compounds or _ENGLISH_END.search(word)]
    return _SHARE * len(english) >= len(content)


def plain(words: Iterable[str], index: LexicalIndex) -> set[str]:
    """Those of `words` that are words of plain English or of the collection. Raises DatabaseError."""
    return spelling.known(words, index, _english())


@lru_cache(maxsize=1)
def _english() -> frozenset[str]:
    """Stems of English words, beside those that the index was built with: only read before something is denied."""
    return frozenset(map(terms.stem, (Path(__file__).parent / "english_words.txt").read_text(encoding="utf-8").split()))
