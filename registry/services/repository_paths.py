"""What a path in a repository may be, and what kinds of files are taken there. Pure."""

from pathlib import PurePosixPath

from registry.errors import PathRefused

MOST_PATH = 500  # characters, as the database has them
CARD = "README.md"
IGNORED = ".gitignore"
WEIGHTS = frozenset({".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx"})
TEXTS = frozenset({".md", ".txt", ".json", ".yaml", ".yml", ".toml", ".csv"})
TEXT_NAMES = frozenset({"license", "licence", "notice", "copying", ".gitattributes", ".gitignore"})


def path_checked(path: str) -> str:
    """The path, if it names a place inside the repository and nothing that a client could stumble over.

    Raises PathRefused.
    """
    parts = path.split("/")
    if not path or len(path) > MOST_PATH or not all(character.isprintable() for character in path):
        raise PathRefused(f"{path[:80]!r} is no path of 1 to {MOST_PATH} printable characters.")
    if "\\" in path or any(part in {"", ".", ".."} for part in parts):
        raise PathRefused(f"{path[:80]!r} is not a plain relative path such as `folder/file.safetensors`.")
    if parts[0].lower() == ".git":
        raise PathRefused("A repository holds no folder `.git`.")
    return path


def is_weights(path: str) -> bool:
    """Whether the file goes through the intake as adapter weights."""
    return PurePosixPath(path).suffix.lower() in WEIGHTS


def is_text(path: str) -> bool:
    """Whether the file is a text that travels beside the weights."""
    name = PurePosixPath(path)
    return name.suffix.lower() in TEXTS or name.name.lower() in TEXT_NAMES


def path_taken(path: str) -> bool:
    """Whether files of this kind are taken; pictures and archives go through the pages that screen them."""
    return is_weights(path) or is_text(path)
