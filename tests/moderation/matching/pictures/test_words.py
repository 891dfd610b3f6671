"""Details are filed alike on every machine, and copies of a detail are found under the word of the original."""

from pathlib import Path

import numpy as np
import pytest

from moderation.matching.pictures import words
from moderation.matching.pictures.buckets import IndexInvalid
from moderation.matching.pictures.keypoints import Features, find
from moderation.matching.pictures.raster import grey
from moderation.matching.pictures.words import CROWDED, FILED, UNSURE, Asked, Filing, WordIndex
from tests.moderation.matching.pictures.builders import as_jpeg, painting


def features(seed: int, quality: int | None = None) -> Features:
    picture = painting(seed)
    return find(grey(as_jpeg(picture, quality) if quality else picture), 500)


def index_of(*seeds: int) -> WordIndex:
    index = WordIndex.build(np.zeros(0, np.uint32), np.zeros(0, np.uint64), np.zeros(0, np.int64))
    for seed in seeds:
        index.add(features(seed), seed)
    return index


def test_filing_of_a_known_descriptor_is_this_word_and_signature() -> None:
    """Saved indexes hold these: whoever changes the patterns has to rebuild every index."""
    levels = (np.arange(128) * 37 % 16).astype(np.int16)
    codes = (levels[0::2] << 4 | levels[1::2]).astype(np.uint8)[None]
    none = np.zeros(1, np.uint8)
    filing = Filing.of(Features((10, 10), np.zeros((1, 2), np.uint16), none, none, codes))
    assert (int(filing.words[0]), f"{int(filing.signatures[0]):016x}") == (32393, "2010c422e7c0385d")


def test_probes_are_all_words_that_differ_in_the_least_sure_bits() -> None:
    filing = Filing.of(features(1))
    probes = Asked.of(features(1)).probes()
    assert probes.shape == (len(filing.words), 2**UNSURE)
    assert all(len(set(row)) == 2**UNSURE for row in probes.tolist())
    changed = np.bitwise_or.reduce(probes ^ filing.words[:, None], axis=1)
    assert (np.bitwise_count(changed) == UNSURE).all()
    for row, bits in zip(filing.margins[:20], changed[:20], strict=True):
        flipped = [bit for bit in range(20) if int(bits) >> bit & 1]
        assert row[flipped].max() <= np.delete(row, flipped).min()


def test_votes_of_a_recompressed_copy_are_for_its_original() -> None:
    votes = index_of(*range(8)).votes(features(5, quality=30))
    assert max(votes, key=votes.__getitem__) == 5
    assert votes[5] > 10 * max(count for owner, count in votes.items() if owner != 5)


def test_feature_has_one_vote_for_an_owner_however_often_it_is_filed() -> None:
    index = index_of(3, 3)
    assert index.votes(features(3))[3] <= len(features(3))


def test_added_in_turn_is_as_built_at_once() -> None:
    filings = [Filing.of(features(seed).first(FILED)) for seed in range(3)]
    owners = np.repeat(np.arange(3, dtype=np.int64), [len(filing.words) for filing in filings])
    words, signatures = (np.concatenate([getattr(f, name) for f in filings]) for name in ("words", "signatures"))
    built = WordIndex.build(words, signatures, owners)
    assert len(built) == len(index_of(0, 1, 2)) == len(words)
    assert built.votes(features(1)) == index_of(0, 1, 2).votes(features(1))


def test_saved_index_votes_as_before(tmp_path: Path) -> None:
    index = index_of(0, 1, 2)
    index.save(tmp_path / "words")
    loaded = WordIndex.load(tmp_path / "words")
    assert isinstance(loaded.segments[0].signatures, np.memmap)
    assert loaded.votes(features(2)) == index.votes(features(2))


def test_load_of_arrays_that_do_not_fit_is_refused(tmp_path: Path) -> None:
    index_of(0).save(tmp_path / "words")
    np.save(tmp_path / "words" / "owners.npy", np.zeros(3, np.int64))
    with pytest.raises(IndexInvalid):
        WordIndex.load(tmp_path / "words")


def test_build_from_arrays_of_different_lengths_is_refused() -> None:
    with pytest.raises(IndexInvalid):
        WordIndex.build(np.zeros(2, np.uint32), np.zeros(2, np.uint64), np.zeros(3, np.int64))


def test_detail_that_is_everywhere_has_no_vote() -> None:
    filing = Filing.of(features(1).first(1))
    for copies, votes in ((CROWDED, {7: 1}), (CROWDED + 1, {})):
        owners = np.full(copies, 7, np.int64)
        crowd = WordIndex.build(filing.words.repeat(copies), filing.signatures.repeat(copies), owners)
        assert crowd.votes(features(1).first(1)) == votes


def test_rarest_words_are_looked_under_first_and_no_more_than_a_search_may_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = Asked.of(features(1).first(2))
    copies = 50  # of the first feature; the second is filed once
    index = WordIndex.build(
        np.repeat(asked.words, [copies, 1]), np.repeat(asked.signatures, [copies, 1]), np.repeat([7, 8], [copies, 1])
    )
    assert index.votes_of(asked) == {7: 1, 8: 1}
    monkeypatch.setattr(words, "MOST_ROWS", copies)
    assert index.votes_of(asked) == {8: 1}
    monkeypatch.setattr(words, "MOST_ROWS", copies + 1)
    assert index.votes_of(asked) == {7: 1, 8: 1}
