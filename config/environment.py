"""Values read from the environment, each with a clear refusal when it cannot be read."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

PROJECT = Path(__file__).resolve().parent.parent


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def flag(name: str, default: bool) -> bool:
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}: write 1 or 0.")


def number(name: str, default: int) -> int:
    value = text(name)
    try:
        return int(value) if value else default
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is {value!r}: write a whole number.") from error


def words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def pairs(name: str) -> dict[str, str]:
    """`one=this,other=that` as a mapping."""
    found = {}
    for word in words(name):
        key, separator, value = word.partition("=")
        if not (key.strip() and separator and value.strip()):
            raise ImproperlyConfigured(f"{name} holds {word!r}: write name=value, separated by commas.")
        found[key.strip()] = value.strip()
    return found


def data_dir() -> Path:
    """The one folder this installation writes to (DATA_DIR, else var/ in the project)."""
    return Path(text("DATA_DIR") or PROJECT / "var").resolve()


def kept_secret(path: Path, size: int = 50) -> str:
    """A random secret made once and kept beside the data, readable by its owner only; `size` in random bytes.

    When two processes make one at once, the first one's counts, and nobody reads it half written.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent)  # readable by the owner only
        try:
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(size))
            with suppress(FileExistsError):
                os.link(partial, path)
        finally:
            os.unlink(partial)
    return path.read_text().strip()
