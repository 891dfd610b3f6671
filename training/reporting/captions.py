"""Captions read and changed: counting tokens, finding words, and the edits that are made over many at once."""

import hashlib
import random
import re
from collections.abc import Mapping

CAPTION_MAX = 5000  # characters
TOKENS_MAX = 75  # of CLIP's text encoders: 77 positions, two of them for the start and the end
# CLIP's own pre-tokeniser (openai/CLIP, simple_tokenizer.py): words, single digits, runs of signs.
_PIECES = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|[^\s\w]+|_+", re.IGNORECASE)
WHOLE_WORD = 9  # letters up to which a word is mostly one token
LETTERS_A_TOKEN = 5  # of what is longer


def least_tokens(caption: str) -> int:
    """How many tokens CLIP makes of it at least: its byte-pair encoder never joins what the pre-tokeniser splits."""
    return len(_PIECES.findall(caption))


def likely_tokens(caption: str) -> int:
    """An estimate: short words are one token, long and foreign ones several."""
    return sum(_likely(piece) for piece in _PIECES.findall(caption))


def _likely(piece: str) -> int:
    if not piece.isascii():
        return max(1, len(piece.encode()) // 2)
    return 1 if len(piece) <= WHOLE_WORD else -(-len(piece) // LETTERS_A_TOKEN)


def has_word(caption: str, word: str) -> bool:
    """Whether the word, or phrase, stands in the caption as a whole, in any case."""
    if not word.strip():
        return False
    return re.search(rf"(?<!\w){re.escape(word.strip())}(?!\w)", caption, re.IGNORECASE) is not None


def tags_of(caption: str) -> list[str]:
    """The parts between commas, without empty ones."""
    return [tag.strip() for tag in caption.split(",") if tag.strip()]


def replaced(caption: str, *, find: str, put: str, whole_words: bool = True, regard_case: bool = False) -> str:
    """Every place of `find` as `put`; both are plain text. Spaces and commas left over are tidied."""
    pattern = rf"(?<!\w){re.escape(find)}(?!\w)" if whole_words else re.escape(find)
    changed = re.sub(pattern, lambda _: put, caption, flags=0 if regard_case else re.IGNORECASE)
    return caption if changed == caption else tidied(changed)


def prefixed(caption: str, word: str) -> str:
    """The word first, and once: where it stands elsewhere it is moved to the front."""
    rest = replaced(caption, find=word, put="") if has_word(caption, word) else caption.strip()
    return f"{word}, {rest}" if rest else word


def appended(caption: str, text: str) -> str:
    """The text at the end, unless it is a tag of the caption already."""
    if text.strip().lower() in {tag.lower() for tag in tags_of(caption)}:
        return caption
    return f"{caption.strip()}, {text.strip()}" if caption.strip() else text.strip()


def shuffled(caption: str, *, keep: int, seed: str) -> str:
    """The tags after the first `keep` in another order, the same for the same seed and caption."""
    tags = tags_of(caption)
    head, tail = tags[:keep], tags[keep:]
    digest = hashlib.sha256(f"{seed}\n{caption}".encode()).digest()
    random.Random(digest).shuffle(tail)  # noqa: S311 (an order, no secret)
    return ", ".join([*head, *tail])


def tidied(caption: str) -> str:
    """One space between words, none before commas, no empty tags, no comma at an end."""
    spaced = re.sub(r"\s+", " ", caption)
    return re.sub(r"\s*(?:,\s*)+", ", ", spaced).strip(" ,")


def changed_captions(captions: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Only what differs: key → (before, after), cut at what the database keeps."""
    pairs = {key: (captions[key], text[:CAPTION_MAX]) for key, text in after.items()}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
