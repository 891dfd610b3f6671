"""The settings modules, each in an interpreter of its own, and what the settings name."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from celery import current_app
from celery.schedules import crontab
from django.conf import settings
from kombu import Connection

import config.celery  # noqa: F401  (registers the tasks)
from config.environment import PROJECT
from config.settings import base

ASK = """
import json, sys
from django.conf import settings
print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}, default=str))
"""


def _settings(module: str, *names: str, **environment: str) -> subprocess.CompletedProcess[str]:
    base = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    given = {**base, "DJANGO_SETTINGS_MODULE": f"config.settings.{module}", **environment}
    command = [sys.executable, "-c", ASK, *names]
    return subprocess.run(command, cwd=PROJECT, env=given, capture_output=True, text=True, check=False)


def _read(done: subprocess.CompletedProcess[str]) -> Mapping[str, object]:
    assert done.returncode == 0, done.stderr
    read: Mapping[str, object] = json.loads(done.stdout)
    return read


def test_production_without_a_secret_key_is_refused() -> None:
    for secret in ({}, {"SECRET_KEY": ""}, {"SECRET_KEY": "  "}):
        done = _settings("production", "DEBUG", **secret)
        assert done.returncode != 0
        assert "SECRET_KEY is not set" in done.stderr


def test_production_without_data_keys_is_refused() -> None:
    done = _settings("production", "DEBUG", SECRET_KEY="long" * 20)
    assert done.returncode != 0
    assert "DATA_KEYS is not set" in done.stderr


def test_production_is_closed() -> None:
    names = ["DEBUG", "SECRET_KEY", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT"]
    names += ["ALLOWED_HOSTS"]
    found = _read(
        _settings("production", *names, SECRET_KEY="long" * 20, DATA_KEYS="key", ALLOWED_HOSTS="registry.example.org")
    )
    assert found == {
        "DEBUG": False,
        "SECRET_KEY": "long" * 20,
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SECURE_SSL_REDIRECT": True,
        "ALLOWED_HOSTS": ["registry.example.org"],
    }


def test_development_keeps_a_secret_of_its_own(tmp_path: os.PathLike[str]) -> None:
    given = {"DATA_DIR": str(tmp_path)}
    first = _read(_settings("development", "SECRET_KEY", "DEBUG", **given))
    assert first["DEBUG"] is False
    assert len(str(first["SECRET_KEY"])) >= 50
    assert _read(_settings("development", "SECRET_KEY", **given))["SECRET_KEY"] == first["SECRET_KEY"]


def test_development_keeps_a_data_key_of_its_own_beside_the_other_keys(tmp_path: os.PathLike[str]) -> None:
    found = _read(_settings("development", "DATA_KEYS", DATA_DIR=str(tmp_path)))["DATA_KEYS"]
    (key,) = found  # type: ignore[misc]
    assert (Path(tmp_path) / "data-key").read_text() == key
    assert _read(_settings("development", "DATA_KEYS", DATA_DIR=str(tmp_path)))["DATA_KEYS"] == [key]
    own = _read(_settings("development", "DATA_KEYS", DATA_DIR=str(tmp_path), DATA_KEYS="new, old"))
    assert own["DATA_KEYS"] == ["new", "old"]


def test_database_and_broker_of_ones_own_are_taken_over(tmp_path: os.PathLike[str]) -> None:
    given = {
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": "postgres://me:p%40ss@db.example.org:6543/shop",
        "CELERY_BROKER_URL": "redis://broker.example.org/3",
    }
    names = ("DATABASES", "CELERY_BROKER_URL", "CELERY_BROKER_TRANSPORT_OPTIONS")
    found = _read(_settings("development", *names, **given))
    database = found["DATABASES"]["default"]  # type: ignore[index]
    kept = {name: database[name] for name in ("ENGINE", "HOST", "PORT", "USER", "PASSWORD", "NAME")}
    assert kept == {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "db.example.org",
        "PORT": 6543,
        "USER": "me",
        "PASSWORD": "p@ss",
        "NAME": "shop",
    }
    assert found["CELERY_BROKER_URL"] == "redis://broker.example.org/3"
    assert found["CELERY_BROKER_TRANSPORT_OPTIONS"] == {}


def test_bucket_moves_the_files(tmp_path: os.PathLike[str]) -> None:
    here = _read(_settings("development", "STORAGES", DATA_DIR=str(tmp_path)))["STORAGES"]
    there = _read(_settings("development", "STORAGES", DATA_DIR=str(tmp_path), S3_BUCKET="files"))["STORAGES"]
    assert here["default"]["OPTIONS"]["location"] == f"{tmp_path}/files"  # type: ignore[index]
    assert there["default"]["OPTIONS"]["bucket_name"] == "files"  # type: ignore[index]


def test_base_model_locations_add_to_the_tiny_base(tmp_path: os.PathLike[str]) -> None:
    given = {"DATA_DIR": str(tmp_path), "BASE_MODEL_LOCATIONS": "sd-1-5=/models/sd15, sdxl-1-0=org/sdxl=x"}
    found = _read(_settings("development", "BASE_MODEL_LOCATIONS", **given))["BASE_MODEL_LOCATIONS"]
    assert found == {
        "tinybase": str(PROJECT / "inference" / "tinybase"),
        "sd-1-5": "/models/sd15",
        "sdxl-1-0": "org/sdxl=x",
    }


@pytest.mark.parametrize("name", sorted(settings.CELERY_BEAT_SCHEDULE))
def test_schedule_names_real_tasks_that_end_before_they_pile_up(name: str) -> None:
    current_app.loader.import_default_modules()
    entry = settings.CELERY_BEAT_SCHEDULE[name]
    task = current_app.tasks[entry["task"]]
    assert isinstance(entry["schedule"], crontab) or entry["schedule"] > 0
    assert task.soft_time_limit < task.time_limit


def test_routes_name_real_tasks_and_queues_of_the_procfile() -> None:
    current_app.loader.import_default_modules()
    procfile = (PROJECT / "Procfile").read_text()
    for task, route in settings.CELERY_TASK_ROUTES.items():
        assert task in current_app.tasks
        assert f"--queues {route['queue']} " in procfile
    assert f"--queues {settings.CELERY_TASK_DEFAULT_QUEUE} " in procfile


def test_every_task_has_limits_and_is_acknowledged_late() -> None:
    current_app.loader.import_default_modules()
    own = {name: task for name, task in current_app.tasks.items() if not name.startswith("celery.")}
    assert len(own) >= 5
    for name, task in own.items():
        assert task.time_limit, name
        assert task.acks_late, name
        assert task.ignore_result, name


def test_mail_goes_by_smtp_where_a_server_is_named() -> None:
    names = ["EMAIL_BACKEND", "EMAIL_HOST", "EMAIL_PORT", "EMAIL_USE_TLS", "EMAIL_USE_SSL"]
    smtp = "django.core.mail.backends.smtp.EmailBackend"
    bare = _read(_settings("development", *names))
    assert bare["EMAIL_BACKEND"] == "django.core.mail.backends.console.EmailBackend"
    named = _read(_settings("development", *names, EMAIL_HOST="mail.example.org", EMAIL_USE_TLS="1"))
    assert [named[name] for name in names] == [smtp, "mail.example.org", 587, True, False]
    implicit = _read(_settings("development", *names, EMAIL_HOST="mail.example.org", EMAIL_USE_SSL="1"))
    assert implicit["EMAIL_PORT"] == 465


def test_embedded_worker_does_not_sleep_between_messages() -> None:
    """A second before each, as the library has it, is most of a minute for the sweeps of a minute."""
    transport = Connection("filesystem://", transport_options=base.CELERY_BROKER_TRANSPORT_OPTIONS).transport
    assert transport.polling_interval <= 0.2
