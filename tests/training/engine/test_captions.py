"""Captions at a step: dropped as often as the recipe says, tags shuffled behind the trigger word."""

from dataclasses import replace

from training.engine.captions import caption_at
from training.engine.chance import generator
from training.engine.config import DataConfig

CAPTION = "photo, sks, red, blue, round, large"
PLAIN = DataConfig(caption_dropout=0.0)


def _many(data: DataConfig, trigger: str = "sks") -> list[str]:
    return [caption_at(CAPTION, data, trigger, generator(1, number)) for number in range(400)]


def test_caption_stays_as_it_is_without_settings() -> None:
    assert set(_many(PLAIN)) == {CAPTION}


def test_captions_are_dropped_at_the_rate_of_the_recipe() -> None:
    assert 60 < _many(replace(PLAIN, caption_dropout=0.2)).count("") < 100


def test_tags_are_shuffled_behind_the_trigger_word() -> None:
    found = _many(replace(PLAIN, tag_shuffle=True))
    assert len(set(found)) == 24
    assert all(one.startswith("photo, sks, ") for one in found)
    assert all(sorted(one.split(", ")) == sorted(CAPTION.split(", ")) for one in found)


def test_all_tags_are_shuffled_where_no_trigger_word_is_among_them() -> None:
    assert len({one.split(", ")[0] for one in _many(replace(PLAIN, tag_shuffle=True), "zzz")}) == 6


def test_one_setting_does_not_move_the_chance_of_another() -> None:
    shuffled = _many(replace(PLAIN, tag_shuffle=True))
    both = _many(replace(PLAIN, tag_shuffle=True, caption_dropout=0.2))
    assert all(mixed in ("", plain) for plain, mixed in zip(shuffled, both, strict=True))
