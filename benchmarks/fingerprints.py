"""How well weight fingerprints tell adapters apart, and how fast: `python -m benchmarks.fingerprints`.

"separation": adapters with the modules of SDXL and FLUX.1 are made, converted as programs do it, merged, trained a
little further, and compared with the original; the starter adapters, which are trained, are converted and merged as
well. Beside it, the similarity of different adapters: made ones that share the base's strong modules and channels, and
all pairs of trained ones. "making" is the time for one file; "search" runs over random fingerprints and finds each
planted one. The thresholds are those of `moderation.matching.fingerprints`.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from benchmarks.conversions import (
    Factors,
    made,
    merged,
    regauged,
    resized,
    save_comfyui,
    save_differences,
    save_diffusers,
    save_kohya,
    scaled,
    trained_further,
)
from benchmarks.inspection import flux1, sdxl
from moderation.matching.fingerprints import DERIVED, SAME, Fingerprint, FingerprintIndex, fingerprint, similarity
from moderation.matching.fingerprints.sketch import VERSION

LIMIT = 50.0  # milliseconds a search
STARTER = Path(__file__).resolve().parent.parent / "registry" / "starter" / "adapters"
Modules = dict[str, tuple[int, int]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--others", type=int, default=12, help="different adapters made for each base")
    options = parser.parse_args()
    met = True
    for family, modules, rank in (("sdxl", sdxl(), 8), ("flux1", _some(flux1(), 60), 4)):
        met &= separation(family, modules, rank, options.others)
    met &= starter()
    making()
    met &= search(options.entries, options.searches)
    print(f"\ntargets: {'met' if met else 'missed'}")
    return 0 if met else 1


def _some(modules: Modules, count: int) -> Modules:
    step = max(1, len(modules) // count)
    return dict(itertools.islice(modules.items(), 0, None, step))


def separation(family: str, modules: Modules, rank: int, others: int) -> bool:
    """Print the similarity of one adapter's copies and of others; whether all are on their side of the thresholds."""
    original, stranger = made(modules, rank, 0), made(modules, rank, 1)
    first = dict(itertools.islice(modules.items(), len(modules) // 2))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "adapter.safetensors"
        reference = fingerprint(save_kohya(path, original))
        rows: list[tuple[str, float, Callable[[Path], Path]]] = [
            ("the same, other number format (BF16)", SAME, lambda p: save_kohya(p, original, "BF16")),
            ("the same in 8 bits (F8 E4M3)", SAME, lambda p: save_kohya(p, scaled(original, 16), "F8")),
            ("other alpha, factors rescaled", SAME, lambda p: save_kohya(p, original, alpha=1.0)),
            ("strength × 0.5", SAME, lambda p: save_kohya(p, scaled(original, 0.5))),
            ("diffusers layout", SAME, lambda p: save_diffusers(p, original)),
            ("ComfyUI layout", SAME, lambda p: save_comfyui(p, original)),
            ("factors in another basis", SAME, lambda p: save_kohya(p, regauged(original))),
            ("resized to the double rank", SAME, lambda p: save_kohya(p, resized(original, 2 * rank))),
            ("all of these together", SAME, lambda p: save_diffusers(p, scaled(regauged(original), 0.4), "BF16")),
            ("resized to half the rank", DERIVED, lambda p: save_kohya(p, resized(original, rank // 2))),
            ("trained further (factors ± 20 %)", DERIVED, lambda p: save_kohya(p, trained_further(original, 0.2, 5))),
            ("merged 90/10 with another", DERIVED, lambda p: save_kohya(p, merged(original, stranger, 0.9))),
            ("merged 70/30, resized, diffusers", DERIVED,
             lambda p: save_diffusers(p, resized(merged(original, stranger, 0.7), rank))),
            ("merged 70/30 with another", DERIVED, lambda p: save_kohya(p, merged(original, stranger, 0.7))),
            ("merged 60/40 with another", DERIVED, lambda p: save_kohya(p, merged(original, stranger, 0.6))),
            ("half of the modules left out", DERIVED, lambda p: save_kohya(p, {n: original[n] for n in first})),
        ]  # fmt: skip
        print(f"\n{family}, {len(modules)} modules, rank {rank}{'':20} cosine")
        met = True
        for label, least, save in rows:
            cosine = similarity(reference, fingerprint(save(path)))
            met &= cosine >= least
            print(f"  {label:45} {cosine:6.3f}  {'≥' if cosine >= least else '<'} {least}")
        unlike = [reference] + [fingerprint(save_kohya(path, made(modules, rank, 1 + n))) for n in range(others)]
    return _different("  different adapters", unlike) and met


def _different(label: str, prints: list[Fingerprint]) -> bool:
    """Print how alike different adapters are at most; whether all are below the thresholds."""
    found = np.abs([similarity(one, other) for one, other in itertools.combinations(prints, 2)])
    print(f"{label + f', {len(found)} pairs: largest, mean':47} {found.max():6.3f}  {found.mean():.3f}")
    return bool(found.max() < DERIVED)


def starter() -> bool:
    """The starter adapters: all pairs, and each of the plain LoRAs merged with another."""
    prints = {path.stem: fingerprint(path) for path in sorted(STARTER.glob("*.safetensors"))}
    print(f"\ntrained starter adapters ({', '.join(prints)})")
    met = _different("  different adapters", list(prints.values()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "adapter.safetensors"
        for name, other in (("outlined", "striped"), ("striped", "mushroom"), ("mushroom", "outlined")):
            one, two = (_factors(STARTER / f"{each}.safetensors") for each in (name, other))
            for share, least in ((1.0, SAME), (0.7, DERIVED)):
                factors = regauged(merged(one, two, share) if share < 1 else scaled(one, 0.5))
                cosine = similarity(prints[name], fingerprint(save_kohya(path, factors, "BF16")))
                what = f"{name}, {f'{share:.0%} with {other}' if share < 1 else 'half strength'}, other basis, BF16"
                print(f"  {what:45} {cosine:6.3f}  {'≥' if cosine >= least else '<'} {least}")
                met &= cosine >= least
            cosine = similarity(prints[name], fingerprint(save_differences(path, one, "F32")))
            print(f"  {f'{name}, as full differences':45} {cosine:6.3f}  {'≥' if cosine >= SAME else '<'} {SAME}")
            met &= cosine >= SAME
    return met


def _factors(path: Path) -> Factors:
    """The deltas of a low-rank adapter file under the names of its modules, made equally strong as a whole."""
    from inference.engine import read_adapter

    found = {}
    for delta in read_adapter(path).deltas:
        up, down = delta.factor.up.float().numpy(), delta.factor.down.float().numpy()
        name = "lora_unet_" + delta.name.removeprefix("lora_unet_").removeprefix("unet.").replace(".", "_")
        found[name] = (up.reshape(len(up), -1) * np.float32(delta.factor.scale), down.reshape(len(down), -1))
    norm = np.sqrt(sum(float(np.sum((up.T @ up) * (down @ down.T))) for up, down in found.values()))
    return scaled(found, 1 / norm)


def making() -> None:
    """Print how long a fingerprint takes, and the memory it needs."""
    from benchmarks.inspection import make

    print(f"\n{'making a fingerprint':30} {'MB':>6} {'modules':>8} {'s':>6}")
    for family, modules, megabytes in (("sdxl", sdxl(), 150), ("flux1", flux1(), 150)):
        with tempfile.TemporaryDirectory() as folder:
            path, rank = make(Path(folder), family, modules, megabytes)
            fingerprint(path)
            start = perf_counter()
            found = fingerprint(path)
            elapsed = perf_counter() - start
            size = path.stat().st_size / 1e6
            print(f"  {f'{family}, LoRA, rank {rank}':28} {size:6.0f} {found.modules:8} {elapsed:6.2f}")
    print(
        f"  largest memory of this process so far: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"
    )


def search(entries: int, searches: int) -> bool:
    """Print the time of a search among random fingerprints; whether it is short enough and finds what is there."""
    dice = np.random.default_rng(7)
    index = FingerprintIndex()
    queries = _units(dice.standard_normal((searches, 256), np.float32))
    planted = _units(0.7 * queries + 0.3 * _units(dice.standard_normal((searches, 256), np.float32)))
    index.add_vectors(np.arange(searches), planted)
    for first in range(searches, entries, 100_000):
        count = min(100_000, entries - first)
        index.add_vectors(np.arange(first, first + count), _units(dice.standard_normal((count, 256), np.float32)))
    times, missed, chance, busy = [], 0, 0, process_time()
    for number, vector in enumerate(queries):
        start = perf_counter()
        found = index.search(Fingerprint(VERSION, vector, 1), minimum=DERIVED)
        times.append(1000 * (perf_counter() - start))
        missed += number not in {each.id for each in found}
        chance += sum(each.id != number for each in found)
    busy = 1000 * (process_time() - busy) / searches
    median, late = np.percentile(times, [50, 95])
    print(f"\nsearch among {len(index):,}, CPU {busy:.1f} ms each")
    print(f"  median {median:.1f} ms, p95 {late:.1f} ms (target {LIMIT:.0f} ms)")
    print(f"  {searches} merged 70/30 copies planted: {missed} missed; {chance} found by chance")
    return bool(late <= LIMIT) and missed == chance == 0


def _units(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


if __name__ == "__main__":
    raise SystemExit(main())
