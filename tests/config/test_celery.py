"""What becomes of a message that the broker does not take, and queues made before they are used."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu.transport.filesystem import Transport

from config.celery import News, queues_declare
from config.celery import app as ours
from registry.tasks import inspect_version


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("messages", "processed", "control"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def app(folder: Path) -> Celery:
    """An application with a broker in files, as `bin/serve` has it by default."""
    Transport.global_state.clear()  # of the tests before
    app = Celery("files", task_cls=News, broker="filesystem://localhost", set_as_current=False)
    app.conf.task_default_queue = "default"
    app.conf.task_routes = {"heavy": {"queue": "gpu"}}
    app.conf.task_publish_retry = False
    app.conf.broker_transport_options = {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "processed_folder": str(folder / "processed"),
        "control_folder": str(folder / "control"),
    }
    return app


@pytest.fixture
def tell(app: Celery) -> Any:
    @app.task(name="tell")
    def tell(pk: int) -> None:
        """Never run here."""

    return tell


def messages(folder: Path) -> list[Path]:
    return list((folder / "messages").glob("*.default.msg"))


def test_news_reach_a_broker_in_files(folder: Path, tell: Any) -> None:
    assert tell.delay(7) is not None
    assert len(messages(folder)) == 1


def test_table_that_another_process_is_writing_costs_the_message_alone(
    folder: Path, tell: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "control" / "default.exchange").write_text("")  # opened by another, not written yet
    with caplog.at_level(logging.WARNING, logger="config.celery"):
        assert tell.delay(7) is None
    assert messages(folder) == []
    assert "did not take tell(7,)" in caplog.text


def test_broker_without_its_folder_costs_the_message_alone(app: Celery, folder: Path, tell: Any) -> None:
    queues_declare(app)
    (folder / "messages").rmdir()
    assert tell.delay(7) is None


def test_mistake_in_the_arguments_is_not_hidden(folder: Path, tell: Any) -> None:
    with pytest.raises(TypeError):
        tell.delay(1, 2, 3)
    with pytest.raises(Exception, match="serializable"):
        tell.delay(object())


def test_queues_are_made_before_anybody_uses_them(app: Celery, folder: Path, tell: Any) -> None:
    queues_declare(app)
    made = {json.loads(path.read_text())[0][2] for path in (folder / "control").glob("*.exchange")}
    assert made == {"default", "gpu"}
    queues_declare(app)
    assert tell.delay(7) is not None


def test_every_task_of_the_registry_is_told_this_way() -> None:
    assert isinstance(inspect_version, News)
    assert [name for name, task in ours.tasks.items() if not name.startswith("celery.") and not _told(task)] == []


def _told(task: Any) -> bool:
    return isinstance(task, News) and task.delay.__func__ is News.delay
