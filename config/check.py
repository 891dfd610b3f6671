"""`bin/check`: format, lint, types, imports, migrations and the deployment settings, each named as it runs."""

import os
import secrets
import subprocess
import sys
import time
from contextlib import nullcontext

from config import postgres
from config.environment import PROJECT, data_dir

CHECKS: list[tuple[str, list[str], dict[str, str]]] = [
    ("format", ["ruff", "format", "--check", "."], {}),
    ("lint", ["ruff", "check", "."], {}),
    ("imports", ["lint-imports", "--no-cache"], {}),
    ("types", ["mypy", "config", "accounts", "governance", "registry", "moderation", "inference"], {}),
    ("migrations", [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"], {}),
    (
        "deployment",
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        {
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
            "SECRET_KEY": secrets.token_urlsafe(60),
            "DATA_KEYS": secrets.token_urlsafe(32),
        },
    ),
    ("schema", [sys.executable, "manage.py", "spectacular", "--validate", "--fail-on-warn", "--file", os.devnull], {}),
]


def main() -> int:
    """Run all checks, also after one failed; the exit status is the number of failures."""
    with nullcontext() if os.environ.get("DATABASE_URL") else postgres.in_use(data_dir()):
        failed = [name for name, command, extra in CHECKS if not _passes(name, command, extra)]
    print(f"{len(CHECKS) - len(failed)} passed, {len(failed)} failed" + (f": {', '.join(failed)}" if failed else ""))
    return len(failed)


def _passes(name: str, command: list[str], extra: dict[str, str]) -> bool:
    started = time.monotonic()
    done = subprocess.run(
        command, cwd=PROJECT, env={**os.environ, **extra}, capture_output=True, text=True, check=False
    )
    verdict = "ok" if done.returncode == 0 else "FAILED"
    print(f"{name:<12} {verdict} ({time.monotonic() - started:.1f} s)", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
