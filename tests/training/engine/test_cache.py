"""The cache: what was put in comes back, damage counts as absent, and names depend on every fact."""

from pathlib import Path

import torch

from training.engine.cache import Cache

ENTRY = {"mean": torch.randn(1, 4, 2, 2), "std": torch.randn(1, 4, 2, 2).bfloat16()}


def _same(cache: Cache, key: str) -> bool:
    found = cache.get(key)
    return found is not None and all(torch.equal(found[name], tensor) for name, tensor in ENTRY.items())


def test_entry_comes_back_in_this_run_and_the_next(tmp_path: Path) -> None:
    cache, key = Cache(tmp_path), Cache.key("a", "b")
    assert cache.get(key) is None
    cache.put(key, ENTRY)
    assert _same(cache, key)
    assert _same(Cache(tmp_path), key)


def test_damaged_entry_counts_as_absent_and_can_be_made_anew(tmp_path: Path) -> None:
    key = Cache.key("a")
    Cache(tmp_path).put(key, ENTRY)
    (path,) = tmp_path.rglob("*.safetensors")
    data = path.read_bytes()
    for damaged in (b"", data[:-1], data[:-1] + bytes([data[-1] ^ 1])):
        path.write_bytes(damaged)
        assert Cache(tmp_path).get(key) is None
    Cache(tmp_path).put(key, ENTRY)
    assert _same(Cache(tmp_path), key)


def test_no_half_written_file_is_left(tmp_path: Path) -> None:
    Cache(tmp_path).put(Cache.key("a"), ENTRY)
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".safetensors"]


def test_key_depends_on_every_fact_and_on_where_one_ends() -> None:
    assert len({Cache.key("a", "b"), Cache.key("ab"), Cache.key("a", "c"), Cache.key("b", "a")}) == 4


def test_least_used_entries_leave_memory_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    keys = [Cache.key(str(number)) for number in range(3)]
    for key in keys:
        cache.put(key, ENTRY)
    assert list(cache._near) == keys
    cache.get(keys[0])
    assert list(cache._near) == [keys[1], keys[2], keys[0]]
