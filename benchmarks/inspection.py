"""How long inspection takes, and hashing beside `sha256sum`: `python -m benchmarks.inspection`.

Files are made in a temporary folder with the names, shapes and metadata that trainers write, for the base models with
the fewest and the most tensors, at the rank that comes nearest to each size; `--sizes 10 40` makes only the small
ones, `--folder` chooses where (it has to hold twice the largest). "inspect" is `inspect_file`, everything that the
registry learns without hashing; beside it, what the format's own library needs to open the file and list its names.
"hash" is `hash_file` as the registry calls it: SHA256, AutoV1-3, BLAKE3, CRC32, the digest of the tensors and the
search for NaN, in one pass. `sha256sum` alternates with it over the same file, which the page cache holds.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from safetensors import safe_open

from registry.artifacts.hashing import hash_file
from registry.artifacts.inspection import inspect_file

LIMIT, LIMIT_FOR = 10.0, 150  # milliseconds for a file of so many MB, besides hashing
RATIO = 1.5  # of sha256sum's time
Modules = dict[str, tuple[int, int]]  # name: width in, width out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 40, 150, 600], help="MB")
    parser.add_argument("--repeat", type=int, default=9, help="inspections; a third as many hashes, at least 3")
    parser.add_argument(
        "--folder", type=Path, help="where the files are made; the system's temporary folder by default"
    )
    options = parser.parse_args()
    print(f"{'':51} {'inspect':>8} {'open':>8} {'':6} {'hash':>8} {'sha256sum':>9}")
    print(
        f"{'file':22} {'MB':>6} {'tensors':>8} {'header kB':>11}  {'ms':>8} {'ms':>8} {'ratio':>6} {'ms':>8} {'ms':>9}"
        f" {'ratio':>6}"
    )
    met = True
    for megabytes in options.sizes:
        for family, modules in FAMILIES.items():
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                path, rank = make(Path(folder), family, modules(), megabytes)
                met &= _row(f"{family}, rank {rank}", path, options.repeat)
    print(
        f"\ntargets: {LIMIT_FOR} MB inspected within {LIMIT:.0f} ms, hashing within {RATIO} of sha256sum:"
        f" {'met' if met else 'missed'}"
    )
    return 0 if met else 1


def _row(label: str, path: Path, repeat: int) -> bool:
    """Print one file's line; whether it keeps the targets."""
    for _ in range(2):
        inspect_file(path)
    found = inspect_file(path)
    inspect, library = _alternating([lambda: inspect_file(path), lambda: _open(path)], repeat)
    hashing, peer = _alternating(
        [lambda: hash_file(path, check_values=True), lambda: _sha256sum(path)], max(3, repeat // 3)
    )
    size = path.stat().st_size
    print(
        f"{label:22} {size / 1e6:6.1f} {found.tensor_count:8} {found.header_bytes / 1e3:11.0f}  {inspect:8.2f}"
        f" {library:8.2f} {inspect / library:6.1f} {hashing:8.1f} {peer:9.1f} {hashing / peer:6.2f}"
    )
    return (inspect <= LIMIT or size > 1.1e6 * LIMIT_FOR) and hashing <= RATIO * peer


def _alternating(works: list[Callable[[], object]], repeat: int) -> list[float]:
    """The median milliseconds of each work, done in turns, so that all of them see the same machine."""
    spent: list[list[float]] = [[] for _ in works]
    for _ in range(repeat):
        for work, times in zip(works, spent, strict=True):
            start = perf_counter()
            work()
            times.append(1000 * (perf_counter() - start))
    return [median(times) for times in spent]


def _open(path: Path) -> list[str]:
    with safe_open(path, framework="np") as file:
        return list(file.keys())


def _sha256sum(path: Path) -> None:
    subprocess.run(["sha256sum", path], check=True, stdout=subprocess.DEVNULL)


def make(folder: Path, family: str, modules: Modules, megabytes: int) -> tuple[Path, int]:
    """A kohya LoRA in half precision of about this size, and its rank."""
    rank = max(1, round(megabytes * 1e6 / (2 * sum(map(sum, modules.values())))))
    header: dict[str, object] = {"__metadata__": _metadata(family, rank)}
    at = 0
    for name, (into, out) in modules.items():
        shapes = {"alpha": [], "lora_down.weight": [rank, into], "lora_up.weight": [out, rank]}
        for slot, shape in shapes.items():
            end = at + 2 * int(np.prod(shape))
            header[f"{name}.{slot}"] = {"dtype": "F16", "shape": shape, "data_offsets": [at, end]}
            at = end
    path = folder / "adapter.safetensors"
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        file.writelines(_values(at))
    return path, rank


def _values(size: int) -> Iterator[bytes]:
    """Small finite numbers; every module's alpha is one of them."""
    piece = (np.random.default_rng(3).standard_normal(2**20) / 100).astype(np.float16).tobytes()
    while size > 0:
        yield piece[:size]
        size -= len(piece)


def _metadata(family: str, rank: int) -> dict[str, str]:
    """What sd-scripts writes, with the tags of a middling data set."""
    dice = random.Random(9)
    tags = {f"{dice.choice('abcdefgh')}tag with some words {n}": dice.randrange(1, 400) for n in range(1500)}
    facts = {
        "ss_network_module": "networks.lora", "ss_network_dim": str(rank), "ss_network_alpha": str(rank / 2),
        "ss_base_model_version": VERSIONS[family], "ss_v2": "False", "ss_output_name": "an_adapter",
        "ss_tag_frequency": json.dumps({"10_images": tags}), "ss_learning_rate": "0.0001", "ss_epoch": "10",
        "ss_steps": "4000", "ss_optimizer": "torch.optim.adamw.AdamW", "ss_resolution": "(1024, 1024)",
        "ss_bucket_info": json.dumps({"buckets": {n: {"resolution": [64 * n, 1024], "count": n} for n in range(60)}}),
        "modelspec.title": "an_adapter", "modelspec.sai_model_spec": "1.0.0",
    }  # fmt: skip
    return facts


def _transformer(prefix: str, width: int, text: int, depth: int) -> Modules:
    """A spatial transformer of a UNet: its two projections and `depth` blocks of ten layers."""
    found = {f"{prefix}_proj_in": (width, width), f"{prefix}_proj_out": (width, width)}
    for block in range(depth):
        name = f"{prefix}_transformer_blocks_{block}"
        for attention, source in (("attn1", width), ("attn2", text)):
            found |= {f"{name}_{attention}_to_{part}": (source, width) for part in "kv"}
            found |= {f"{name}_{attention}_to_{part}": (width, width) for part in ("q", "out_0")}
        found |= {f"{name}_ff_net_0_proj": (width, 8 * width), f"{name}_ff_net_2": (4 * width, width)}
    return found


def sd1() -> Modules:
    """UNet and text encoder of Stable Diffusion 1: 264 modules."""
    found: Modules = {}
    for number, width in enumerate((320, 640, 1280)):
        for place in range(2):
            found |= _transformer(f"lora_unet_down_blocks_{number}_attentions_{place}", width, 768, 1)
        for place in range(3):
            found |= _transformer(f"lora_unet_up_blocks_{3 - number}_attentions_{place}", width, 768, 1)
    found |= _transformer("lora_unet_mid_block_attentions_0", 1280, 768, 1)
    for layer in range(12):
        name = f"lora_te_text_model_encoder_layers_{layer}"
        found |= {f"{name}_self_attn_{part}_proj": (768, 768) for part in ("q", "k", "v", "out")}
        found |= {f"{name}_mlp_fc1": (768, 3072), f"{name}_mlp_fc2": (3072, 768)}
    return found


def sdxl() -> Modules:
    """The UNet of SDXL: 722 modules, 2,166 tensors."""
    found: Modules = {}
    blocks = [("input_blocks_4_1", 640, 2), ("input_blocks_5_1", 640, 2)]
    blocks += [(f"input_blocks_{n}_1", 1280, 10) for n in (7, 8)] + [("middle_block_1", 1280, 10)]
    blocks += [(f"output_blocks_{n}_1", 1280, 10) for n in (0, 1, 2)]
    blocks += [(f"output_blocks_{n}_1", 640, 2) for n in (3, 4, 5)]
    for name, width, depth in blocks:
        found |= _transformer(f"lora_unet_{name}", width, 2048, depth)
    return found


def flux1() -> Modules:
    """The transformer of FLUX.1: 304 modules."""
    wide, found = 3072, {}
    for block in range(19):
        for side in ("img", "txt"):
            name = f"lora_unet_double_blocks_{block}_{side}"
            found |= {f"{name}_attn_qkv": (wide, 3 * wide), f"{name}_attn_proj": (wide, wide)}
            found |= {f"{name}_mlp_0": (wide, 4 * wide), f"{name}_mlp_2": (4 * wide, wide)}
            found |= {f"{name}_mod_lin": (wide, 6 * wide)}
    for block in range(38):
        name = f"lora_unet_single_blocks_{block}"
        found |= {f"{name}_linear1": (wide, 7 * wide), f"{name}_linear2": (5 * wide, wide)}
        found |= {f"{name}_modulation_lin": (wide, 3 * wide)}
    return found


FAMILIES: dict[str, Callable[[], Modules]] = {"sd1": sd1, "sdxl": sdxl, "flux1": flux1}
VERSIONS = {"sd1": "sd_v1", "sdxl": "sdxl_base_v1-0", "flux1": "flux1"}


if __name__ == "__main__":
    raise SystemExit(main())
