"""What may stand around a name in a trigger word, a tag or a prompt, and what shows that a name is meant."""

import re

from moderation.matching.folding import fold
from moderation.matching.glyphs import HARD

AFFIXES = frozenset(
    "by style styled styles art arts artist artwork arts painting paintings drawing illustration photo photos portrait "
    "lora locon lycoris dora loha lokr embedding ti model ver version v sd sdxl xl pony flux il illustrious noob ai "
    "like inspired esque ish ism s in of the a an my char character person woman man girl boy face celeb celebrity "
    "actor actress singer concept trigger token ohwx sks zwx final test".split()
)
_FOLDED_AFFIXES = frozenset(map(fold, AFFIXES))
_LONGEST = max(map(len, _FOLDED_AFFIXES))
_QUOTES = r"[\s:_\-\"'“”‘’(\[{]*$"
_AUTHOR = re.compile(
    r"(?:^|[^a-z])(?:by|@|artist|(?:style|styles|art|works?|manner|paintings?|drawings?) of)" + _QUOTES, re.IGNORECASE
)
_SUBJECT = re.compile(
    r"(?:^|[^a-z])(?:portraits?|photos?|photographs?|pictures?|images?|paintings?|drawings?|face|likeness|lora|body"
    r"|depict(?:s|ing)|starring|actor|actress|singer) (?:of )?" + _QUOTES,
    re.IGNORECASE,
)
_BEFORE = 40  # characters looked at
_TAG_END = HARD | {"\n", "\r", "\0"}


def only_affixes(letters: str) -> bool:
    """Whether folded letters are what trigger words put before or behind a name, and nothing else."""
    ends = {0}
    for end in range(1, len(letters) + 1):
        if any(letters[start:end] in _FOLDED_AFFIXES for start in ends if end - start <= _LONGEST):
            ends.add(end)
    return len(letters) in ends


def is_introduced(text: str, begin: int, *, as_author: bool) -> bool:
    """Whether the words before this place announce an author, or (not only `as_author`) a person shown."""
    before = text[max(0, begin - _BEFORE) : begin]
    if _AUTHOR.search(before):
        return True
    return not as_author and _SUBJECT.search(before) is not None


def is_own_tag(text: str, begin: int, stop: int) -> bool:
    """Whether the tag or line around these characters holds nothing else but affixes and a version."""
    before, after = begin, stop
    while before > 0 and begin - before <= _BEFORE and text[before - 1] not in _TAG_END:
        before -= 1
    while after < len(text) and after - stop <= _BEFORE and text[after] not in _TAG_END:
        after += 1
    rest = re.findall(r"[^\W\d_]+", f"{text[before:begin]} {text[stop:after]}")
    return max(begin - before, after - stop) <= _BEFORE and all(word.lower() in AFFIXES for word in rest)
