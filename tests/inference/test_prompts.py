"""The prompt syntax: what each tag means, what cannot be read, and that nothing is lost or passed over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.prompts import MAX_PROMPT, STRONGEST, number, parse_prompt, with_strength, without

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
WEIGHTS = st.floats(-STRONGEST, STRONGEST).map(lambda value: round(value, 3) + 0.0)
WORDS = st.text(alphabet="abc XYZ,.\n()é", max_size=30)
TAGS = {
    "<lora:ada/outlined:0.7>": ("ada", "outlined", None, 0.7, 0.7),
    "<lora:outlined>": ("", "outlined", None, 1.0, 1.0),
    "<lora:ada/outlined/v/3:0.5>": ("ada", "outlined", 3, 0.5, 0.5),
    "<lora:outlined:0.5:0.8>": ("", "outlined", None, 0.5, 0.8),
    "<lora:outlined:te=0.5:unet=0.8>": ("", "outlined", None, 0.5, 0.8),
    "<lora:outlined:0.5:unet=0.8>": ("", "outlined", None, 0.5, 0.8),
    "<lora:outlined:unet=0.8>": ("", "outlined", None, 0.8, 0.8),
    "<lora:outlined:te=0>": ("", "outlined", None, 0.0, 0.0),
    "<LORA: outlined : -0.25 >": ("", "outlined", None, -0.25, -0.25),
    "<lyco:outlined:.5>": ("", "outlined", None, 0.5, 0.5),
}
UNREADABLE = {
    "<lora:a b:1>": "names no adapter",
    "<lora::1>": "names no adapter",
    "<lora:x/y/z:1>": "names no adapter",
    "<lora:x:strong>": "cannot be read",
    "<lora:x:nan>": "cannot be read",
    "<lora:x:1e3>": "cannot be read",
    "<lora:x:9>": "cannot be read",
    "<lora:x:1:2:3>": "cannot be read",
    "<lora:x:dyn=4>": "cannot be read",
    "<lora:x:1": "not closed",
    "<lora:x:1 and <lora:y:1>": "not closed",
    "<lora:x:1> <lora:X:0.5>": "named twice",
}


@pytest.mark.parametrize(("tag", "expected"), TAGS.items())
def test_tag_says_which_adapter_and_how_strongly(tag: str, expected: tuple[object, ...]) -> None:
    parsed = parse_prompt(f"a cat {tag} on a mat")
    (one,) = parsed.mentions
    assert (one.owner, one.name, one.version, one.text_weight, one.weight) == expected
    assert (parsed.text, parsed.problems) == ("a cat on a mat", ())


@pytest.mark.parametrize(("prompt", "what"), UNREADABLE.items())
def test_what_cannot_be_read_is_told_with_what_to_do(prompt: str, what: str) -> None:
    problems = parse_prompt(prompt).problems
    assert [what in problem.what for problem in problems] == [True]
    assert problems[0].why
    assert problems[0].remedy


def test_commas_left_by_tags_are_closed() -> None:
    assert parse_prompt("a cat, <lora:x:1>, red, <lora:y:1>").text == "a cat, red"


def test_embedding_words_in_angle_brackets_stay() -> None:
    parsed = parse_prompt("<first-aid> on white <lora:northlight/first-aid:1>")
    assert parsed.text == "<first-aid> on white"


def test_too_long_a_prompt_is_not_read() -> None:
    assert parse_prompt("a" * (MAX_PROMPT + 1)).problems[0].what == "The prompt is too long."


@given(st.lists(st.tuples(NAMES, NAMES, WEIGHTS, WEIGHTS, WORDS), max_size=6, unique_by=lambda row: row[:2]))
def test_every_tag_that_is_written_is_read_back(rows: list[tuple[str, str, float, float, str]]) -> None:
    prompt = "".join(
        f"{words}<lora:{owner}/{name}:{number(te)}:{number(unet)}>" for owner, name, te, unet, words in rows
    )
    parsed = parse_prompt(prompt)
    assert parsed.problems == ()
    assert [(one.owner, one.name, one.text_weight, one.weight) for one in parsed.mentions] == [
        (owner, name, te, unet) for owner, name, te, unet, _ in rows
    ]
    assert all(prompt[one.start : one.end].startswith("<lora:") for one in parsed.mentions)
    assert "<lora" not in parsed.text


@given(st.text(alphabet="<>lora:yc/=teun.0123456789- ,\n", max_size=80))
def test_no_text_breaks_the_parser_and_no_tag_is_passed_over(text: str) -> None:
    parsed = parse_prompt(text)
    if "<lora:" in text.lower():
        assert parsed.mentions or parsed.problems


@given(NAMES, WEIGHTS, WEIGHTS)
def test_strength_is_replaced_in_its_place(name: str, before: float, after: float) -> None:
    prompt = f"x <lora:first:1> y <lora:{name}/b:{number(before)}> z"
    changed = with_strength(prompt, 1, after)
    assert [one.weight for one in parse_prompt(changed).mentions] == [1.0, after]
    assert parse_prompt(changed).text == parse_prompt(prompt).text


def test_tags_at_places_leave_and_the_others_stay() -> None:
    prompt = "a boat, <lora:ada/one:0.5>, <lora:two:1:0.3>, at sea <lora:three>"
    assert without(prompt, {0, 2}) == "a boat, <lora:two:1:0.3>, at sea"
    assert without(prompt, set()) == prompt
