"""Comparing new entries of the opt-out register with what is online already: `python -m benchmarks.lookback`.

A database of its own is made on the server of DATABASE_URL, or on the embedded one, and dropped at the end. It gets
published versions with ten pictures each, whose traces hold random hashes; a list of random PDQ hashes is imported, of
which some are four bits off a picture's. Timed are the import, and the look back to its end, task by task; what it
finds has to be exactly what was planted. Then works with features are looked for in whole traces of drawn pictures,
which are altered copies of them or strangers. Seconds are wall time of one process.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks import drawn, synthetic
from benchmarks.altered import CHANGES
from benchmarks.search import _django

EACH = 10  # pictures of a version
PLANTED = 200
SECONDS = 60.0  # that no task may take


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hashes", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--whole", type=int, default=500, help="pictures whose features are compared with new works")
    options = parser.parse_args()
    with synthetic.server_url() as server, tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DATA_DIR": folder, "CELERY_BROKER_URL": "memory://"}
        name = f"benchmark_lookback_{os.getpid()}"
        url = synthetic.url_of(server, name)
        _django(url)
        from django.core.management import call_command

        synthetic.create(server, name)
        try:
            call_command("migrate", verbosity=0)
            call_command("load_catalogue", stdout=io.StringIO())
            synthetic.fill(url, 2 * options.pictures // EACH)
            met = _hashes(Path(folder), options.hashes, options.pictures)
        finally:
            synthetic.drop(server, name)
    return 0 if met and _features(options.whole) else 1


def _hashes(folder: Path, count: int, pictures: int) -> bool:
    from benchmarks.optout import _import
    from moderation.models import ScreeningWanted
    from moderation.services.lookbacks import lookback_begin

    dice = np.random.default_rng(4)
    seen = _traces(pictures, dice)
    listed = dice.integers(0, 256, (count, 32), dtype=np.uint8)
    planted = dice.choice(len(seen), min(PLANTED, count, len(seen)), replace=False)
    for place, picture in enumerate(planted):
        listed[place] = seen[picture][1]
        listed[place, 0] ^= 0b0110_0110
    file = folder / "list.csv"
    file.write_text("kind,value,algorithm\n" + "".join(f"work,{row.tobytes().hex()},pdq\n" for row in listed))
    start = perf_counter()
    _import(file, "list")
    print(f"import of {count:,} hashes: {perf_counter() - start:.1f} s")
    start = perf_counter()
    lookback = lookback_begin()
    assert lookback is not None
    print(f"claimed: {perf_counter() - start:.1f} s")
    used = process_time()
    spent = _run(lookback.pk)
    used = process_time() - used
    found = set(ScreeningWanted.objects.values_list("version_id", flat=True))
    lookback.refresh_from_db()
    exact = found == {seen[picture][0] for picture in planted}
    print(f"looked back at {lookback.pictures:,} pictures of {lookback.looked:,} versions: {sum(spent):.1f} s,")
    print(f"  {used:.1f} s of them CPU of this process, without the database's;")
    print(f"  {len(spent)} tasks, the longest {max(spent):.1f} s (limit {SECONDS:.0f})")
    print(f"  {len(found)} versions found, {'exactly those planted' if exact else 'NOT those planted'}")
    return exact and max(spent) <= SECONDS


def _run(lookback_id: int) -> list[float]:
    """Seconds of each task until it is done."""
    from moderation.services.looking import lookback_go_on

    spent, more = [], True
    while more:
        start = perf_counter()
        more = lookback_go_on(lookback_id=lookback_id)
        spent.append(perf_counter() - start)
    return spent


def _traces(count: int, dice: np.random.Generator) -> list[tuple[int, Any]]:
    """Pictures with their traces; the version and the PDQ, as it stands, of each."""
    import uuid

    from django.utils import timezone

    from accounts.models import User
    from moderation.models import PictureTrace
    from registry.models import SamplePicture, SampleState, Version

    now, user = timezone.now(), User.objects.first()
    assert user is not None
    Version.objects.update(inspected_at=now)
    versions = list(Version.objects.order_by("pk").values_list("pk", flat=True)[: count // EACH])
    seen = []
    for start in range(0, len(versions), 500):
        samples, traces = [], []
        for version in versions[start : start + 500]:
            for _ in range(EACH):
                key, hashes = uuid.uuid4(), dice.integers(0, 256, (8, 40), dtype=np.uint8)
                digest = dice.bytes(32)
                about = {"width": 640, "height": 640, "added_by": user, "state": SampleState.SHOWN}
                samples.append(SamplePicture(pk=key, version_id=version, sha256=digest.hex(), storage_key="x", **about))
                stored = hashes[:, :8].tobytes() + hashes[:, 8:].tobytes()
                traces.append(
                    PictureTrace(
                        picture=f"sample:{key}", version_id=version, sent=digest, content=digest, hashes=stored, faces=0
                    )
                )
                seen.append((version, hashes[0, 8:]))
        SamplePicture.objects.bulk_create(samples)
        PictureTrace.objects.bulk_create(traces)
    print(f"{len(seen):,} pictures of {len(versions):,} versions")
    return seen


def _features(count: int) -> bool:
    """One new work at a time, in copies of it and in pictures of others; milliseconds a picture and rasters read."""
    from moderation.matching.pictures import describe, examine, verify
    from moderation.matching.pictures.traces import NewWorks, Trace

    works = [describe(drawn.textured(seed)) for seed in range(9)]
    names, spent, read, wrong, copies = list(CHANGES), 0.0, 0, 0, 0
    for number in range(count):
        own = number % 10 == 0
        picture = drawn.textured(number // 10 % 9 if own else 30_000_000 + number)
        query = examine(CHANGES[names[number % len(names)]](picture, 0))
        trace = Trace.of(query)
        rasters: list[int] = []
        new = NewWorks(described={0: works[number // 10 % 9]})
        start = perf_counter()

        def raster(query: Any = query, rasters: list[int] = rasters) -> Any:
            rasters.append(1)
            return query.raster

        shown = new.shown_in(trace, raster)
        spent += perf_counter() - start
        read, copies = read + (len(rasters) if not own else 0), copies + own
        wrong += shown != verify(works[number // 10 % 9], query).matched
    print(f"\n{count} pictures with one new work each: {1000 * spent / count:.1f} ms a picture, {copies} copies;")
    print(f"  {read} of {count - copies} others were read for it; {wrong} differ from what the register would answer")
    return not wrong


if __name__ == "__main__":
    raise SystemExit(main())
