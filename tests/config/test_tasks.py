"""The broker in files does not fill the disk."""

import os
import time
from pathlib import Path
from typing import Any

from config.settings import base
from config.tasks import KEPT_SECONDS, clear_broker


def test_only_messages_taken_long_ago_are_removed(settings: Any, tmp_path: Path) -> None:
    settings.BROKER_DIR = tmp_path
    folder = Path(base.CELERY_BROKER_TRANSPORT_OPTIONS["processed_folder"])
    folder = tmp_path / folder.relative_to(base.BROKER_DIR)
    folder.mkdir()
    old, fresh, other = (folder / name for name in ("1_a.default.msg", "2_b.gpu.msg", "notes.txt"))
    for path in (old, fresh, other):
        path.write_text("{}")
    for path in (old, other):
        os.utime(path, (time.time() - KEPT_SECONDS - 5,) * 2)
    clear_broker()
    assert sorted(path.name for path in folder.iterdir()) == ["2_b.gpu.msg", "notes.txt"]


def test_other_brokers_have_nothing_to_clear(settings: Any, tmp_path: Path) -> None:
    settings.BROKER_DIR = tmp_path / "never-made"
    clear_broker()
    assert not settings.BROKER_DIR.exists()
