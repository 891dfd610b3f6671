"""Registered names: every disguise is found, ordinary words are left alone."""

import unicodedata

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from moderation.matching.folding import fold, is_letter, is_read
from moderation.matching.glyphs import DIGITS, HOMOGLYPHS, LOOK_ALIKE, SYMBOLS
from moderation.matching.names import MAX_TEXT, Name, NameIndex
from moderation.matching.ordinary import ordinary_words

REGISTER = (
    Name(1, "Greg Rutkowski"),
    Name(2, "Vincent van Gogh"),
    Name(3, "Emma Watson"),
    Name(4, "J. M. W. Turner"),
    Name(5, "Frédéric Wümmerli"),
    Name(6, "Banksy", mononym=True),
    Name(7, "Rose", mononym=True),
    Name(8, "Art"),
    Name(9, "Will Smith"),
    Name(10, "Jack Black"),
    Name(11, "Sun Flower"),
    Name(12, "Ed Gein"),
    Name(13, "Ian Miller"),
    Name(14, "Bo Li"),
    Name(15, "初音ミク"),
    Name(16, "김홍도"),
    Name(17, "Νίκος Εγγονόπουλος"),
    Name(18, "Иван Шишкин"),
    Name(19, "A$AP Rocky"),
    Name(20, "Jay", mononym=True),
    Name(21, "Siander", mononym=True),
)
INDEX = NameIndex.build(REGISTER)
UNLIKE = NameIndex.build(each for each in REGISTER if each.entry_id in {1, 2, 3, 5, 6, 7, 12, 13, 20, 21})


def ids(text: str) -> set[int]:
    return {match.entry_id for match in INDEX.find(text)}


@pytest.mark.parametrize(
    "text",
    [
        "Greg Rutkowski",
        "gr3g rutk0wski",
        "GREG RUTKOWSKI",
        "GregRutkowski",
        "gregrutkowski",
        "greg_rutkowski style",
        "by-greg-rutkowski_v2",
        "gregrutkowski2",
        "gregrutkowskistyle",
        "bygregrutkowski",
        "art by greg rutkowski and others",
        "(greg rutkowski:1.2)",
        "rutkowski, greg",
        "rutkowski greg",
        "g r e g  r u t k o w s k i",
        "g.r.e.g-r.u.t.k.o.w.s.k.i",
        "greg rut-kowski",
        "gr\u200beg rut\u00adkowski",
        "gŕég rütkówskî",
        "grеg rutkоwskі",
        "gʀᴇɢ ʀᴜᴛᴋᴏᴡꜱᴋɪ",
        "ｇｒｅｇ　ｒｕｔｋｏｗｓｋｉ",
        "𝔤𝔯𝔢𝔤 𝔯𝔲𝔱𝔨𝔬𝔴𝔰𝔨𝔦",
        "🅖🅡🅔🅖 🇷🇺🇹🇰🇴🇼🇸🇰🇮",
        "greg rutkovvski",
        "gr€g rutkow$k!",
        "GREG RUTKOWSKI!",
        "@greg_rutkowski",
        "greg rutkowski's",
        "G̷r̷e̷g̷ R̷u̷t̷k̷o̷w̷s̷k̷i̷",
        "greg\nrutkowski",
    ],
)
def test_spelling_of_a_name_found(text: str) -> None:
    assert ids(text) == {1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("van gogh, vincent", {2}),
        ("vincent_van_gogh", {2}),
        ("jmw turner", {4}),
        ("J.M.W. Turner", {4}),
        ("frederic wuemmerli", {5}),
        ("FRÉDÉRIC WÜMMERLI", {5}),
        ("wurnmerli frederic", {5}),
        ("初音ミクのイラスト", {15}),
        ("김홍도의 그림", {16}),
        ("ΝΙΚΟΣ ΕΓΓΟΝΟΠΟΥΛΟΣ", {17}),
        ("νίκος εγγονόπουλος", {17}),
        ("ИВАН ШИШКИН", {18}),
        ("asap rocky", {19}),
        ("A$AP_Rocky", {19}),
        ("b4nksy mural", {6}),
        ("bybanksy", {6}),
        ("emma watson and greg rutkowski", {1, 3}),
    ],
)
def test_names_of_every_sort_found(text: str, expected: set[int]) -> None:
    assert ids(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a rose by rose",
        "in the style of Rose",
        "artist: rose",
        "@rose",
    ],
)
def test_ordinary_mononym_found_where_it_is_an_author(text: str) -> None:
    assert 7 in ids(text)


@pytest.mark.parametrize(
    "text",
    ["Will Smith", "a tall man, will smith, rain", "a photo of will smith eating", "will_smith_v2", "w1ll sm1th"],
)
def test_name_of_ordinary_words_found_where_it_is_meant(text: str) -> None:
    assert ids(text) == {9}


# Prompts and tags as people write them; the register above holds names that they come close to.
ORDINARY = """
he will smith the sword at the forge
will smith the sword, then rest
a rose in a garden, rose petals, rose gold ring
red rose tattoo on a bank robber
rose, flower, garden
art deco poster, art nouveau, concept art, artstation
bank building, piggy bank, river banks, banking hall
a sunflower field at noon, sunflowers, sun, flower
the jack black and red on a playing card
black jack table in a casino
christian miller, brian miller
the edge in the stone, edge_in_focus
bolivia, bo linen, bolt, boil
grey rug, rut, cow, ski
a grog rut cow ski resort
emma, watson
gregarious crowd, rutting stag
van with gouge marks, vincent
1girl, solo, long hair, looking at viewer, blue jay, jay walking
jaywalking man, blue_jay
turner, page turner, jmw
fred eric wimmer
masterpiece, best quality, 8k, highres, absurdres
portrait of a woman by a lake at dawn
will, smith, black, jack
an ordinary day, part adams, tom ford suit
a$ap, rocky mountains
slander, slanders
""".strip().splitlines()


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_words_left_alone(text: str) -> None:
    assert INDEX.find(text) == ()


def test_unmarked_single_word_is_reported_and_never_found() -> None:
    assert INDEX.unsearchable == (REGISTER[7],)
    assert 8 not in ids("by art, Art, style of art")


def test_match_tells_what_was_written_and_where() -> None:
    text = "portrait, gr3g_rutk0wski, EMMA WATSON"
    first, second = INDEX.find(text)
    assert (first.found, first.exact, text[first.start : first.end]) == ("gr3g_rutk0wski", False, "gr3g_rutk0wski")
    assert (second.name, second.found, second.exact) == ("Emma Watson", "EMMA WATSON", True)


def test_two_entries_of_one_name_are_both_found() -> None:
    index = NameIndex.build([(1, "Greg Rutkowski"), (2, "greg rutkowski")])
    assert {match.entry_id for match in index.find("greg rutkowski")} == {1, 2}


def test_empty_register_and_empty_text_find_nothing() -> None:
    assert NameIndex.build([]).find("greg rutkowski") == ()
    assert INDEX.find("") == ()


def test_too_long_text_refused() -> None:
    with pytest.raises(ValueError, match="characters"):
        INDEX.find("a" * (MAX_TEXT + 1))


ORDINARY_WORDS = sorted(ordinary_words() - {"by", "of", "artist"})
_ALIKE: dict[str, list[str]] = {}
for _char, _letter in (*HOMOGLYPHS.items(), *DIGITS.items(), *SYMBOLS.items()):
    _ALIKE.setdefault(LOOK_ALIKE.get(_letter, _letter), []).append(_char)
_SEPARATORS = ["", " ", "_", "-", ".", "  ", " - ", "\u200b", "/", "*", "~"]
_INVISIBLE = ["\u200b", "\u200d", "\u00ad", "\u2060", "\ufe0f", "\u0336", "\u0301"]


@st.composite
def disguises(draw: st.DrawFn, name: str) -> str:
    """The name with every letter written in one of the ways that folding undoes, in one of the orders."""
    words = name.split()
    if draw(st.booleans()):
        words = [words[-1], *words[:-1]]
    return draw(st.sampled_from(_SEPARATORS)).join("".join(draw(_spelt(letter)) for letter in word) for word in words)


def _spelt(letter: str) -> st.SearchStrategy[str]:
    alike = _ALIKE.get(LOOK_ALIKE.get(letter, letter), [])
    ways = [letter, letter.upper(), letter + "\u0301", *alike, LOOK_ALIKE.get(letter, letter)]
    return st.builds(lambda way, unseen: way + unseen, st.sampled_from(ways), st.sampled_from(["", "", *_INVISIBLE]))


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from([(1, "greg rutkowski"), (2, "vincent van gogh"), (3, "emma watson")]))
def test_any_disguise_is_found(data: st.DataObject, name: tuple[int, str]) -> None:
    text = data.draw(disguises(name[1]))
    assume(3 * sum(map(is_letter, text)) >= sum(map(is_read, text)))
    assert fold(text) in {fold(name[1]), fold(name[1].split()[-1] + "".join(name[1].split()[:-1]))}
    before = data.draw(st.sampled_from(["", "style of ", "by-", "art, ", "x/"]))
    after = data.draw(st.sampled_from(["", ", masterpiece", "_v2", " lora", ".safetensors"]))
    assert name[0] in ids(before + text + after)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(ORDINARY_WORDS), min_size=1, max_size=30))
@example(["will", "smith"])
def test_sentences_of_ordinary_words_name_nobody(words: list[str]) -> None:
    assert UNLIKE.find(" ".join(words)) == ()


@settings(max_examples=200, deadline=None)
@given(st.text())
@example("ꭰᏸ\u01c5ſﬀ")
@example("\ud800 lone surrogate")
def test_folding_again_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@settings(max_examples=150, deadline=None)
@given(st.text())
def test_folding_ignores_case_and_normal_form(text: str) -> None:
    assume(text.isascii() or all("LATIN" in unicodedata.name(char, "") for char in text if char.isalpha()))
    assert fold(text) == fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_searched_and_places_are_right(text: str) -> None:
    for match in INDEX.find(text):
        assert text[match.start : match.end] == match.found
