"""All benchmarks one after the other, as Markdown: `python -m benchmarks`.

`--quick` runs them small, to see that they work. At full size the parts add up to about an hour and a half on two quiet
cores, half of it for pictures, and 6 GB of disk for the million adapters. Nothing else should run on the machine
meanwhile; the load before each benchmark is printed with it. What shows the false-positive target of picture matching
takes longer and is asked for alone: `python -m benchmarks.pictures --parts strangers --strangers 30000`.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path

FULL = {
    "inspection": [[]],
    "search": [["--adapters", "100000"], ["--adapters", "1000000"]],
    "download": [[]],
    "decisions": [[]],
    "faces": [[]],
    "names": [[]],
    "pictures": [[]],
    "optout": [["--hashes", "1000000"]],
    "lookback": [[]],
    "fingerprints": [[]],
    "training": [[]],
    "training_demo": [[]],
    "serving": [[], ["--soak", "2000"]],
}
QUICK = {
    "inspection": [["--sizes", "10", "--repeat", "3"]],
    "search": [["--adapters", "5000", "--cases", "3", "--repeat", "1"]],
    "download": [["--sizes", "1", "--seconds", "1", "--repeat", "1"]],
    "decisions": [["--requests", "5000", "--repeat", "1"]],
    "faces": [["--changed", "2"]],
    "names": [["--names", "2000", "--megabytes", "0.1", "--repeat", "1"]],
    "pictures": [["--drawn", "3", "--others", "5", "--strangers", "20", "--hashes", "20000"]],
    "optout": [["--hashes", "2000", "--queries", "5"]],
    "lookback": [["--hashes", "2000", "--pictures", "2000", "--whole", "20"]],
    "fingerprints": [["--entries", "5000", "--searches", "5", "--others", "2"]],
    "training": [["--rounds", "1", "--batches", "4", "--steps", "6"]],
    "training_demo": [["sticker", "--variant", "the preset", "--steps", "4"]],
    "serving": [["--side", "8", "--repeat", "1", "--files", "2"], ["--soak", "40"]],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    print(f"{date.today():%Y-%m-%d}: {machine()}\n")
    missed = []
    for name, runs in (QUICK if options.quick else FULL).items():
        for arguments in runs:
            command = ["-m", f"benchmarks.{name}", *arguments]
            print(f"## `python {' '.join(command)}`\n\nLoad before: {os.getloadavg()[0]:.1f}\n\n```", flush=True)
            if subprocess.run([sys.executable, *command]).returncode:
                missed.append(" ".join([name, *arguments]))
            print("```\n", flush=True)
    print(f"Missed or failed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


def machine() -> str:
    """Processor, cores and memory."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


if __name__ == "__main__":
    raise SystemExit(main())
