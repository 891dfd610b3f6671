"""What moderation does on news: one line per handler."""

from typing import Any

from django.dispatch import receiver

from moderation.signals import (
    enrolment_picture_received,
    export_queued,
    letter_written,
    mail_queued,
    optout_import_queued,
    optout_mail_due,
    optout_picture_received,
    optout_works_changed,
    recall_issued,
    register_grew,
    screening_queued,
    screening_wanted,
)
from moderation.tasks import (
    build_optout_index,
    deliver_recall,
    look_back,
    make_export,
    open_case,
    prepare_optout_picture,
    queue_screening,
    read_enrolment_picture,
    run_optout_import,
    run_screening,
    screen_described,
    send_letter,
    send_mail,
    send_optout_mail,
)
from registry.signals import adapter_described, pictures_added, version_held, version_inspected


@receiver(recall_issued)
def deliver_issued(recall_id: int, **_: Any) -> None:
    deliver_recall.delay(recall_id)


@receiver(mail_queued)
def send_queued_mail(mail_id: int, **_: Any) -> None:
    send_mail.delay(mail_id)


@receiver(letter_written)
def send_written(letter_id: int, **_: Any) -> None:
    send_letter.delay(letter_id)


@receiver(enrolment_picture_received)
def read_received(picture_id: int, **_: Any) -> None:
    read_enrolment_picture.delay(picture_id)


@receiver(optout_mail_due)
def send_due_optout_mail(holder_id: int, **_: Any) -> None:
    send_optout_mail.delay(holder_id)


@receiver(optout_picture_received)
def prepare_received(picture_id: str, **_: Any) -> None:
    prepare_optout_picture.delay(picture_id)


@receiver(optout_import_queued)
def run_queued_import(import_id: int, **_: Any) -> None:
    run_optout_import.delay(import_id)


@receiver(optout_works_changed)
def index_changed_works(**_: Any) -> None:
    build_optout_index.delay()


@receiver(version_inspected)
@receiver(pictures_added)
def screen_changed(version_id: int, **_: Any) -> None:
    queue_screening.delay(version_id)


@receiver(adapter_described)
def screen_words(adapter_id: int, **_: Any) -> None:
    screen_described.delay(adapter_id)


@receiver(screening_queued)
def run_queued(screening_id: str, **_: Any) -> None:
    run_screening.delay(screening_id)


@receiver(screening_wanted)
def screen_wanted(version_id: int, **_: Any) -> None:
    queue_screening.delay(version_id)


@receiver(register_grew)
def look_back_for(lookback_id: int, **_: Any) -> None:
    look_back.delay(lookback_id)


@receiver(version_held)
def open_held(version_id: int, **_: Any) -> None:
    open_case.delay(version_id)


@receiver(export_queued)
def make_queued_export(export_id: int, **_: Any) -> None:
    make_export.delay(export_id)
