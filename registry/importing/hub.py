"""Repositories of an endpoint that speaks the Hub protocol, read by its own client."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, NoReturn

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from registry.errors import CommitRefused
from registry.importing.folder import WEIGHTS, file_digest
from registry.importing.items import Item, SourceUnreadable, name_from
from registry.importing.parents import parents_named
from registry.services.declarations import Card, card_read

PREFERRED = "pytorch_lora_weights.safetensors"  # what diffusers writes; steps of the training lie beside it
UNREACHABLE = (HfHubHTTPError, HFValidationError, httpx2.HTTPError, OSError)


@dataclass(frozen=True)
class Hub:
    """An endpoint, who asks, and where downloads are kept so that a cut one goes on."""

    endpoint: str
    token: str
    cache: Path

    @property
    def api(self) -> HfApi:
        return HfApi(endpoint=self.endpoint, token=self.token or False)

    def items(self, *, repositories: Sequence[str] = (), author: str = "", every_file: bool = False) -> Iterator[Item]:
        """The adapters of these repositories, or of all that `author` has there; raises SourceUnreadable.

        One of several that cannot be read stands for itself, as an item that says so when it is brought in.
        """
        wanted = list(repositories) or self._of(author)
        for repository in wanted:
            try:
                yield from list(self._items(repository, every_file))
            except SourceUnreadable as error:
                if len(wanted) == 1:
                    raise
                yield _unreadable(repository, error)

    def _of(self, author: str) -> list[str]:
        return _asked(f"the list of {author}", lambda: [one.id for one in self.api.list_models(author=author)])

    def _items(self, repository: str, every_file: bool) -> Iterator[Item]:
        info: Any = _asked(repository, lambda: self.api.model_info(repository, files_metadata=True))
        sizes = {file.rfilename: file for file in info.siblings or []}
        card, notes = self._card(repository, info.sha) if "README.md" in sizes else (Card({}, ""), ())
        for path in _chosen(list(sizes), every_file):
            lfs = getattr(sizes[path], "lfs", None)
            fetch = cache(partial(self._fetch, repository, info.sha, path))
            several = len(_chosen(list(sizes), every_file)) > 1
            yield Item(
                key=f"{repository}/{path}",
                name=name_from(repository.rsplit("/", 1)[-1]),
                filename=path.rsplit("/", 1)[-1],
                digest=_digest_of(lfs, fetch),
                fetch=fetch,
                card=card,
                title=repository.rsplit("/", 1)[-1][:120],
                label=path.removesuffix(WEIGHTS)[-60:] if several else "",
                parents=parents_named(card),
                notes=notes,
            )

    def _card(self, repository: str, revision: str) -> tuple[Card, tuple[str, ...]]:
        path = self._fetch(repository, revision, "README.md")
        try:
            return card_read(path.read_text("utf-8-sig")), ()
        except CommitRefused as error:
            return Card({}, ""), (f"{error.detail} {error.remedy}",)
        except UnicodeDecodeError:
            return Card({}, ""), ("README.md is no text in UTF-8 and was left out",)

    def _fetch(self, repository: str, revision: str, path: str) -> Path:
        download = partial(self.api.hf_hub_download, repository, path, revision=revision, cache_dir=self.cache)
        return Path(_asked(f"{repository}/{path}", download))


def _unreadable(repository: str, error: SourceUnreadable) -> Item:
    def said() -> NoReturn:
        raise error

    name = repository.rsplit("/", 1)[-1]
    return Item(key=repository, name=name_from(name), filename=name, digest=said, fetch=said, card=Card({}, ""))


def _digest_of(lfs: Any, fetch: Callable[[], Path]) -> Callable[[], str]:
    """What the endpoint says of a large file, so that one which is here already is not fetched; else what was read."""
    told = str(getattr(lfs, "sha256", "") or "")
    return (lambda: told) if told else (lambda: file_digest(fetch()))


def _chosen(paths: list[str], every_file: bool) -> list[str]:
    """The adapter's file: the one that diffusers writes, else every one beside the card; all of them if asked for."""
    weights = sorted(path for path in paths if path.endswith(WEIGHTS))
    if every_file:
        return weights
    if PREFERRED in weights:
        return [PREFERRED]
    return [path for path in weights if "/" not in path]


def _asked(what: str, question: Callable[[], Any]) -> Any:
    try:
        return question()
    except UNREACHABLE as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise SourceUnreadable(f"{what} could not be read: {reason}") from error
