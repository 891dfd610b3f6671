"""The prompt syntax that adapters are named in: `<lora:owner/name:0.7>`, as AUTOMATIC1111's web UI has it.

A tag names an adapter and how strongly it acts: `<lora:name:0.7>` on all of the model, `<lora:name:te:unet>` on text
encoders and denoiser apart, both also by name (`te=0.5`, `unet=0.8`). The tag leaves the prompt; the rest of it is what
the model reads. The rules for numbers are those of its `extensions-builtin/Lora/extra_networks_lora.py`: the first
number is the text encoders', the second the denoiser's, which takes the first where it has none. What cannot be read
is told with its place, never passed over: a tag that does nothing is the commonest complaint of all.
"""

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

KINDS = ("lora", "lyco")  # the second is what an extension for other kinds was called
STRONGEST = 4.0  # as the registry allows an uploader to declare
MAX_PROMPT = 4000  # characters
_TAG = re.compile(r"<\s*(lora|lyco)\s*:([^<>]*)>", re.IGNORECASE)
_BROKEN = re.compile(r"<\s*(?:lora|lyco)\s*:[^<>]*(?=<|$)", re.IGNORECASE)
# owner/name, owner/name/v/2 or a name alone; the registry's own slugs.
_ADDRESS = re.compile(r"^(?:([\w.-]+)/)?([\w.-]+?)(?:/v/(\d{1,9}))?$")
_NUMBER = re.compile(r"^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$")
_SPACES = re.compile(r"[ \t]{2,}")


@dataclass(frozen=True)
class Mention:
    """One tag: the adapter as it is named, and its strengths; the place is that in the prompt as it was written."""

    written: str  # the address alone, without the numbers
    owner: str  # "" where a name stands alone
    name: str
    version: int | None
    text_weight: float
    weight: float  # of the denoiser
    start: int
    end: int

    @property
    def address(self) -> str:
        """The address in small letters, by which two tags name the same."""
        owner = f"{self.owner}/" if self.owner else ""
        version = f"/v/{self.version}" if self.version is not None else ""
        return f"{owner}{self.name}{version}".lower()

    @property
    def tag(self) -> str:
        """The shortest tag that says the same."""
        numbers = number(self.text_weight)
        if self.weight != self.text_weight:
            numbers += f":{number(self.weight)}"
        return f"<lora:{self.written}:{numbers}>"


@dataclass(frozen=True)
class PromptProblem:
    """What is wrong with the prompt: what happened, why, what to do, and where (0 for the whole of it)."""

    what: str
    why: str
    remedy: str
    start: int = 0


@dataclass(frozen=True)
class ParsedPrompt:
    """What the model reads, the adapters, and what is wrong."""

    text: str
    mentions: tuple[Mention, ...]
    problems: tuple[PromptProblem, ...] = ()


def parse_prompt(prompt: str) -> ParsedPrompt:
    """Split a prompt into words and adapters. It never raises: what cannot be read is among the problems."""
    if len(prompt) > MAX_PROMPT:
        return ParsedPrompt("", (), (_too_long(prompt),))
    mentions: list[Mention] = []
    problems: list[PromptProblem] = []
    for match in _TAG.finditer(prompt):
        read = _mention(match)
        if isinstance(read, Mention):
            mentions.append(read)
        else:
            problems.append(read)
    rest = _TAG.sub(" ", prompt)
    problems += [_unclosed(prompt, match.group()) for match in _BROKEN.finditer(rest)]
    problems += _repeated(mentions)
    return ParsedPrompt(_tidied(rest), tuple(mentions), tuple(problems))


def _too_long(prompt: str) -> PromptProblem:
    return PromptProblem(
        "The prompt is too long.",
        f"It has {len(prompt):,} characters; at most {MAX_PROMPT:,} are read.",
        "Shorten it: a model reads some hundred words at most.",
    )


def _mention(match: re.Match[str]) -> Mention | PromptProblem:
    first, *arguments = [part.strip() for part in match.group(2).split(":")]
    address = _ADDRESS.match(first)
    if address is None:
        return PromptProblem(
            f"“{match.group()}” names no adapter.",
            f"“{first}” is not the address of one.",
            "Write <lora:owner/name:0.7>, or <lora:owner/name/v/2:0.7> for one version of it.",
            match.start(),
        )
    weights = _weights(arguments)
    if isinstance(weights, str):
        return PromptProblem(
            f"The strength in “{match.group()}” cannot be read.",
            weights,
            f"Write one number or two between −{STRONGEST:g} and {STRONGEST:g}: <lora:{first}:0.7>, or by name: "
            f"<lora:{first}:te=0.5:unet=0.8>.",
            match.start(),
        )
    owner, name, version = address.groups()
    place = (match.start(), match.end())
    return Mention(first, owner or "", name, int(version) if version else None, *weights, *place)


def _weights(arguments: list[str]) -> tuple[float, float] | str:
    """(text encoders, denoiser), or why they cannot be read."""
    positional = [argument for argument in arguments if "=" not in argument]
    named = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    named = {key.strip().lower(): value.strip() for key, value in named.items()}
    unknown = named.keys() - {"te", "unet"}
    if unknown:
        return f"“{sorted(unknown)[0]}” is no strength; there are te (text encoders) and unet (the denoiser)."
    if len(positional) > 2:
        return f"It has {len(positional)} numbers; there are two: text encoders, denoiser."
    for value in (*positional, *named.values()):
        if not _NUMBER.match(value) or abs(float(value)) > STRONGEST:
            return f"“{value}” is no number between −{STRONGEST:g} and {STRONGEST:g}."
    text = float(named.get("te", positional[0] if positional else named.get("unet", "1")))
    unet = float(named.get("unet", positional[1] if len(positional) > 1 else text))
    return text, unet


def _unclosed(prompt: str, found: str) -> PromptProblem:
    return PromptProblem(
        f"“{found.strip()[:60]}” is not closed.",
        "The tag of an adapter ends with >.",
        "Close it: <lora:owner/name:0.7>.",
        max(prompt.find(found.strip()), 0),
    )


def _repeated(mentions: list[Mention]) -> Iterator[PromptProblem]:
    seen: dict[str, Mention] = {}
    for mention in mentions:
        if (first := seen.setdefault(mention.address, mention)) is not mention:
            yield PromptProblem(
                f"“{mention.written}” is named twice.",
                "Whether its strengths add up or the last one counts, tools do not agree.",
                f"Write it once, with one strength: {first.tag}",
                mention.start,
            )


def _tidied(text: str) -> str:
    """The words without the gaps that tags leave; line breaks and commas stay as they were meant."""
    text = _SPACES.sub(" ", text)
    text = re.sub(r"(?:\s*,){2,}", ",", text)  # ", <lora:…>, " leaves two
    return re.sub(r"\s+,", ",", text).strip(" \t\r\n,")


def number(value: float) -> str:
    """A strength as people write it: 0.7, 1, -0.25."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is no strength")
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text in {"", "-0"} else text


def without(prompt: str, positions: Collection[int]) -> str:
    """The prompt without the tags at these positions, 0 for the first."""
    for place, mention in reversed(list(enumerate(parse_prompt(prompt).mentions))):
        if place in positions:
            prompt = f"{prompt[: mention.start]} {prompt[mention.end :]}"
    return _tidied(prompt)


def with_strength(prompt: str, position: int, value: float) -> str:
    """The prompt with one strength for the adapter that is named at this position, 0 for the first."""
    mention = parse_prompt(prompt).mentions[position]
    changed = replace(mention, text_weight=value, weight=value)
    return prompt[: mention.start] + changed.tag + prompt[mention.end :]
