"""The folder layouts of the field, read into one plan: which pictures, with which captions, how often, in which role.

- `images/`, `captions/`, `config.json`: a caption has its picture's name, as `.txt`
- kohya: `10_sks dog/` with `.txt` or `.caption` beside each picture; 10 is how often each is shown in an epoch, "sks"
  the token, "dog" the class. Folders under `reg/` (or `reg_…`) hold class pictures.
- the Hub's image folder: `metadata.jsonl` with `file_name` and `text`
- anything else: every picture, with a `.txt` of its name beside it or none
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from training.layouts.errors import EntryRefused
from training.layouts.trees import Remark, Tree, is_junk, sorted_paths, without_wrapper
from training.reporting.captions import CAPTION_MAX

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
OTHER_PICTURES = frozenset({".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif", ".jxl", ".psd", ".svg"})
CAPTIONS = (".txt", ".caption")
ARCHIVES = frozenset({".zip", ".rar", ".7z", ".tar", ".gz", ".xz"})
TEXT_MAX = 64 * 1024  # bytes of one caption file
CONFIG_MAX = 1024**2
REPEATS_MAX = 1000
_KOHYA = re.compile(r"^(?P<repeats>\d{1,6})_(?P<name>.+)$")
_REG = re.compile(r"^(?:reg|reg[-_ ].*|class|class[-_]images|regulari[sz]ation.*)$", re.IGNORECASE)
_GLAZE = re.compile(r"(?<![a-z])(?:glazed?|nightshaded?)(?![a-z])", re.IGNORECASE)
CONFIG_KEYS = frozenset({"trigger", "class", "purpose", "licence", "source", "pictures"})
PICTURE_KEYS = frozenset({"caption", "repeats", "class_picture", "source", "licence", "depicts_person", "protection"})


@dataclass(frozen=True)
class Planned:
    """One picture to take in: where it is in the tree, and the path under which it is kept."""

    at: str
    path: str
    caption: str = ""
    caption_by: str = ""
    repeats: int = 1
    is_prior: bool = False
    source: str = ""
    licence_id: str = ""
    depicts_person: bool | None = None
    protection: str = ""


@dataclass
class Plan:
    """What an upload holds. `loose` are captions without a picture in it: for pictures that are there already."""

    layout: str = "plain"  # plain, kohya, images-captions or hub
    trigger: str = ""
    class_word: str = ""
    purpose: str = ""
    licence_id: str = ""
    source: str = ""
    pictures: list[Planned] = field(default_factory=list)
    loose: dict[str, str] = field(default_factory=dict)  # stem of the file → caption
    remarks: list[Remark] = field(default_factory=list)


def plan_of(tree: Tree, *, unwrapped: bool = True) -> Plan:
    """Read a tree's layout, captions and config; pictures themselves are not opened.

    `unwrapped`: without a folder that everything lies in; otherwise every path stays as it is.
    """
    return _Reader(tree, unwrapped=unwrapped).plan()


class _Reader:
    """Reads one tree; what it cannot use becomes a remark."""

    def __init__(self, tree: Tree, *, unwrapped: bool) -> None:
        self._tree = tree
        self._result = Plan(remarks=list(tree.remarks))
        paths = tuple(path for path in sorted_paths(tree) if not is_junk(path))
        kept = {path: path for path in paths}
        self._short = without_wrapper(paths, meaningful=_means_something) if unwrapped else kept
        self._at = {short: path for path, short in self._short.items()}

    def plan(self) -> Plan:
        result = self._result
        config = self._config()
        hub = self._hub_captions()
        captions = self._captions()
        used: set[str] = set()
        for short in self._at:
            if _ending(short) in PICTURES:
                result.pictures.append(self._planned(short, captions, hub, config.get("pictures", {}), used))
            else:
                self._remark_on(short)
        result.loose = {PurePosixPath(stem).name: text for stem, text in captions.items() if stem not in used}
        result.layout = self._layout()
        token, class_word = _first_token(self._at)
        result.trigger, result.class_word = result.trigger or token, result.class_word or class_word
        return result

    def _layout(self) -> str:
        shorts = [PurePosixPath(planned.path) for planned in self._result.pictures]
        if any(_kohya(path) for path in shorts):
            return "kohya"
        if any(path.parts[0].lower() == "images" and len(path.parts) > 1 for path in shorts):
            return "images-captions"
        return "hub" if any(short.endswith("metadata.jsonl") for short in self._at) else "plain"

    def _planned(
        self, short: str, captions: dict[str, str], hub: dict[str, str], listed: dict[str, Any], used: set[str]
    ) -> Planned:
        path = PurePosixPath(short)
        folder = _kohya(path)
        own = listed.get(short) or listed.get(path.name) or {}
        stem = next((stem for stem in _caption_stems(path) if stem in captions), None)
        if stem is not None:
            used.add(stem)
        caption, by = _caption(own, hub.get(short), captions.get(stem) if stem else None, folder)
        return Planned(
            at=self._at[short],
            path=short,
            caption=caption[:CAPTION_MAX],
            caption_by=by,
            repeats=_repeats(own.get("repeats") or (folder or {}).get("repeats") or 1),
            is_prior=bool(own.get("class_picture")) or _is_class(path),
            source=str(own.get("source", ""))[:2000],
            licence_id=str(own.get("licence", ""))[:80],
            depicts_person=own.get("depicts_person") if isinstance(own.get("depicts_person"), bool) else None,
            protection=_protection(str(own.get("protection", "")), path.name),
        )

    def _captions(self) -> dict[str, str]:
        """Path without ending → text, of every caption file; `.txt` goes before `.caption`."""
        found: dict[str, str] = {}
        for ending in CAPTIONS:
            for short in self._at:
                if _ending(short) == ending and (text := self._text(short)) is not None:
                    found.setdefault(str(PurePosixPath(short).with_suffix("")), text)
        return found

    def _hub_captions(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for short in self._at:
            if PurePosixPath(short).name != "metadata.jsonl":
                continue
            for number, line in enumerate((self._text(short, most=CONFIG_MAX) or "").splitlines(), 1):
                row = _object(line)
                if line.strip() and (not isinstance(row.get("file_name"), str) or not isinstance(row.get("text"), str)):
                    what = f"Line {number} has no file_name and text."
                    self._result.remarks.append(Remark(short, what, 'Write {"file_name": "a.png", "text": "…"}.'))
                elif row:
                    found[str(PurePosixPath(short).parent / row["file_name"])] = " ".join(row["text"].split())
        return found

    def _config(self) -> dict[str, Any]:
        """`config.json` of the topmost folder; what it does not know is said."""
        if "config.json" not in self._at:
            return {}
        config = _object(self._text("config.json", most=CONFIG_MAX) or "")
        if not config:
            remedy = "Write an object with " + ", ".join(sorted(CONFIG_KEYS)) + "."
            self._result.remarks.append(Remark("config.json", "It is no JSON object, so it was not read.", remedy))
            return {}
        listed = config.get("pictures", {})
        config["pictures"] = (
            {k: v for k, v in listed.items() if isinstance(v, dict)} if isinstance(listed, dict) else {}
        )
        unknown = set(config) - CONFIG_KEYS
        unknown |= {key for own in config["pictures"].values() for key in set(own) - PICTURE_KEYS}
        if unknown:
            what = f"It has settings that are not known here: {', '.join(sorted(unknown))[:200]}."
            self._result.remarks.append(Remark("config.json", what, "They were left out."))
        result = self._result
        result.trigger, result.class_word = _word(config.get("trigger")), _word(config.get("class"))
        result.purpose, result.licence_id = _word(config.get("purpose")), str(config.get("licence", ""))[:80]
        result.source = str(config.get("source", ""))[:5000]
        return config

    def _text(self, short: str, *, most: int = TEXT_MAX) -> str | None:
        """A text file on one line for each of its lines, in whichever encoding it is in."""
        try:
            content = self._tree.read(self._at[short], most)
        except EntryRefused as refusal:
            self._result.remarks.append(Remark(short, f"The text was not read. {refusal}"))
            return None
        for encoding in (
            ("utf-16",) if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else ("utf-8-sig", "cp1252", "latin-1")
        ):
            try:
                text = content.decode(encoding)
            except UnicodeDecodeError:
                continue
            return "".join(char for char in text if char.isprintable() or char in "\n\t").strip()
        self._result.remarks.append(Remark(short, "The text is in no known encoding.", "Save it as UTF-8."))
        return None

    def _remark_on(self, short: str) -> None:
        """Says of what is no picture and no caption that it was left out."""
        ending = _ending(short)
        if ending in OTHER_PICTURES:
            remedy = "Save it as JPEG, PNG or WebP and add it then."
            self._result.remarks.append(Remark(short, f"{ending[1:].upper()} pictures are not taken.", remedy))
        elif ending in ARCHIVES:
            self._result.remarks.append(Remark(short, "An archive inside is not opened.", "Send it by itself."))
        elif ending not in {*CAPTIONS, ".json", ".jsonl", ".npz", ".toml", ".md"}:
            self._result.remarks.append(Remark(short, "It is neither a picture nor a caption, and was left out."))


def _ending(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _means_something(folder: str) -> bool:
    return folder.lower() in {"images", "captions"} or bool(_KOHYA.match(folder) or _REG.match(folder))


def _kohya(path: PurePosixPath) -> dict[str, Any] | None:
    """Repeats, token and class of the folder that a picture lies in, where it is one of kohya's."""
    match = _KOHYA.match(path.parent.name)
    if match is None:
        return None
    token, _, rest = match["name"].strip().partition(" ")
    return {"repeats": int(match["repeats"]), "token": token, "class": rest.strip(), "name": match["name"].strip()}


def _is_class(path: PurePosixPath) -> bool:
    return any(_REG.match(part) for part in path.parts[:-1])


def _first_token(shorts: dict[str, str]) -> tuple[str, str]:
    """Token and class of the first of kohya's folders that has both; class pictures have no token."""
    for short in shorts:
        path = PurePosixPath(short)
        folder = _kohya(path)
        if folder and folder["class"] and not _is_class(path):
            return _word(folder["token"]), _word(folder["class"])
    return "", ""


def _caption_stems(path: PurePosixPath) -> tuple[str, ...]:
    """Where the caption of a picture may lie: beside it, or under `captions/` in its place."""
    stem = path.with_suffix("")
    places = [str(stem)]
    if len(path.parts) > 1 and path.parts[0].lower() in {"images", "image", "img"}:
        below = PurePosixPath(*stem.parts[1:])
        places.append(str(PurePosixPath("captions") / below))
    places.append(str(PurePosixPath("captions") / stem.name))
    return tuple(places)


def _caption(
    own: dict[str, Any], hub: str | None, sidecar: str | None, folder: dict[str, Any] | None
) -> tuple[str, str]:
    """The caption and where it is from. kohya's trainer takes the folder's name where there is no other."""
    if isinstance(own.get("caption"), str):
        return " ".join(own["caption"].split()), "config"
    if hub is not None:
        return hub, "metadata"
    if sidecar is not None:
        return " ".join(sidecar.split()), "sidecar"
    return (str(folder["name"]), "folder") if folder else ("", "")


def _protection(stated: str, name: str) -> str:
    if stated:
        return stated.lower() if stated.lower() in {"glaze", "nightshade"} else "other"
    return protection_named(name)


def protection_named(name: str) -> str:
    """Glaze and Nightshade leave no mark in a file, but their programs write their name into the file's."""
    match = _GLAZE.search(name)
    if match is None:
        return ""
    return "glaze" if match[0].lower().startswith("glaze") else "nightshade"


def _repeats(value: object) -> int:
    return min(max(value, 1), REPEATS_MAX) if isinstance(value, int) and not isinstance(value, bool) else 1


def _word(value: object) -> str:
    return " ".join(value.split())[:60] if isinstance(value, str) else ""


def _object(text: str) -> dict[str, Any]:
    """A JSON object; an empty one for everything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
