"""The files are read strictly: what cannot be is refused, and the message names it."""

from typing import Any

import pytest

from training.engine.presets.files import PresetInvalid, read_settings

GOOD = {"value": 16, "why": "A sentence that says why.", "source": "lora"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"adapter.size": GOOD}, "“adapter.size” is no setting"),
        ({"family": GOOD}, "“family” is no setting"),
        ({"steps": GOOD}, "“steps” is no setting"),
        ({"adapter.rank": 16}, "needs a value, why and source"),
        ({"adapter.rank": {"value": 16, "why": "Because it is so."}}, "needs a value, why and source"),
        ({"adapter.rank": {**GOOD, "note": "x"}}, "needs a value, why and source"),
        ({"adapter.rank": {**GOOD, "why": "because"}}, "one sentence"),
        ({"adapter.rank": {**GOOD, "why": "no capital at its start."}}, "one sentence"),
        ({"adapter.rank": {**GOOD, "why": 7}}, "one sentence"),
        ({"adapter.rank": {**GOOD, "source": "hearsay"}}, "“hearsay” is no source"),
        ({"adapter.rank": {**GOOD, "value": "16"}}, "wrong type; it is int"),
        ({"adapter.rank": {**GOOD, "value": 16.0}}, "wrong type; it is int"),
        ({"adapter.rank": {**GOOD, "value": True}}, "wrong type; it is int"),
        ({"adapter.alpha": {**GOOD, "value": 8}}, "wrong type; it is float"),
        ({"adapter.text_encoders": {**GOOD, "value": 1}}, "wrong type; it is bool"),
        ({"adapter.conv_rank": {**GOOD, "value": "many"}}, "a number or “none”"),
        ({"adapter.conv_rank": {**GOOD, "value": False}}, "a number or “none”"),
        ({"samples.prompts": {**GOOD, "value": "one"}}, "wrong type; it is list"),
        (None, "[settings] is missing"),
        ([], "[settings] is missing"),
    ],
)
def test_wrong_file_is_refused_with_its_reason(table: Any, said: str) -> None:
    with pytest.raises(PresetInvalid) as caught:
        read_settings(table, "some.toml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("some.toml")


def test_none_stands_for_no_value_where_a_setting_may_have_none() -> None:
    read = read_settings({"adapter.conv_rank": {**GOOD, "value": "none"}, "adapter.rank": GOOD}, "some.toml")
    assert read["adapter.conv_rank"].value is None
    assert read["adapter.rank"].value == 16
