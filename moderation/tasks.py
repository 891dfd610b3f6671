"""Background work of moderation: each task takes ids, is done from the rows, and may be repeated at any time."""

import uuid

from celery import shared_task
from django.conf import settings
from django.db import OperationalError

from moderation.models.outbox import Mail
from moderation.services.blocks import block_describe, blocks_undescribed
from moderation.services.clocks import (
    case_moot_close,
    case_step,
    cases_escalating,
    cases_moot,
    version_case_open,
    versions_without_case,
)
from moderation.services.consent_ends import consents_expire, uncovered_withhold
from moderation.services.data_export import export_make, exports_due
from moderation.services.deletions import deletions_keep
from moderation.services.enrolment import enrolments_due, picture_read
from moderation.services.list_refresh import list_refresh, lists_configure
from moderation.services.lists import files_tidy, import_run, imports_due
from moderation.services.lookbacks import lookback_begin, lookbacks_due, lookbacks_tidy
from moderation.services.mail_sending import mail_send
from moderation.services.optout import pictures_due, registrations_expire
from moderation.services.optout_mail import holder_mails_send, holders_to_mail
from moderation.services.post import letter_send, letters_due
from moderation.services.queueing import (
    screening_of,
    screenings_due,
    versions_unscreened,
    versions_wanted,
    versions_with_new_pictures,
)
from moderation.services.recall import recall_hand_out, recalls_waiting
from moderation.services.retention import retention_enforce
from moderation.services.statements import version_explain, versions_unexplained
from registry.models import Version
from registry.services.outbox import due


@shared_task(soft_time_limit=280, time_limit=300)
def expire_consents() -> None:
    """End what has run out; hold back whatever is in circulation without the consent that it rests on."""
    consents_expire()
    uncovered_withhold()


@shared_task(autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5, soft_time_limit=280, time_limit=300)
def deliver_recall(recall_id: int) -> None:
    recall_hand_out(recall_id=recall_id)


@shared_task(soft_time_limit=50, time_limit=60)
def send_mail(mail_id: int) -> None:
    mail_send(mail_id=mail_id)


@shared_task(soft_time_limit=50, time_limit=60)
def deliver_recalls() -> None:
    """Hand out again what lost its message or its worker: recalls and mails."""
    for recall_id in recalls_waiting():
        deliver_recall.delay(recall_id)
    for mail_id in due(Mail):
        send_mail.delay(mail_id)


@shared_task(soft_time_limit=50, time_limit=60)
def send_letter(letter_id: int) -> None:
    letter_send(letter_id)


@shared_task(soft_time_limit=50, time_limit=60)
def sweep_letters() -> None:
    """Hand out again the letters that were not sent."""
    for letter_id in letters_due():
        send_letter.delay(letter_id)


@shared_task(soft_time_limit=280, time_limit=300)
def describe_block(block_id: int) -> None:
    block_describe(block_id)


@shared_task(autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5, soft_time_limit=50, time_limit=60)
def open_case(version_id: int) -> None:
    version_case_open(version_id)


@shared_task(autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5, soft_time_limit=50, time_limit=60)
def step_case(case_id: int) -> None:
    case_step(case_id)


@shared_task(autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5, soft_time_limit=50, time_limit=60)
def close_moot_case(case_id: int) -> None:
    case_moot_close(case_id)


@shared_task(autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5, soft_time_limit=50, time_limit=60)
def explain_version(version_id: int) -> None:
    version_explain(version_id)


@shared_task(soft_time_limit=50, time_limit=60)
def sweep_cases() -> None:
    """Keep the queue true: its clocks, what is missing from it, what has lost its object, and who was told nothing.

    Each is a task of its own: one that fails keeps no clock of another from running.
    """
    for case_id in cases_escalating():
        step_case.delay(case_id)
    for version_id in versions_without_case():
        open_case.delay(version_id)
    for case_id in cases_moot():
        close_moot_case.delay(case_id)
    for version_id in versions_unexplained():
        explain_version.delay(version_id)
    for block_id in blocks_undescribed():
        describe_block.delay(block_id)


@shared_task(
    acks_late=True,
    autoretry_for=(OperationalError,),
    retry_backoff=True,
    max_retries=5,
    soft_time_limit=100,
    time_limit=120,
)
def read_enrolment_picture(picture_id: int) -> None:
    from moderation.matching.faces import face_reader

    picture_read(picture_id=picture_id, reader=face_reader(settings.LIKENESS_READER))


@shared_task(soft_time_limit=50, time_limit=60)
def sweep_enrolments() -> None:
    """Hand out again the pictures whose worker is gone, and delete those that nobody read."""
    for picture_id in enrolments_due():
        read_enrolment_picture.delay(picture_id)


@shared_task(
    acks_late=True,
    autoretry_for=(OperationalError,),
    retry_backoff=True,
    max_retries=5,
    soft_time_limit=100,
    time_limit=120,
)
def prepare_optout_picture(picture_id: str) -> None:
    from moderation.services.works import picture_prepare

    picture_prepare(picture_id=uuid.UUID(picture_id))


@shared_task(
    autoretry_for=(OperationalError, OSError), retry_backoff=True, max_retries=5, soft_time_limit=50, time_limit=60
)
def send_optout_mail(holder_id: int) -> None:
    holder_mails_send(holder_id=holder_id)


@shared_task(
    acks_late=True,
    autoretry_for=(OperationalError,),
    retry_backoff=True,
    max_retries=5,
    soft_time_limit=6 * 3600,
    time_limit=6 * 3600 + 60,
)
def run_optout_import(import_id: int) -> None:
    import_run(import_id=import_id)


@shared_task(soft_time_limit=3000, time_limit=3060)
def build_optout_index() -> None:
    from moderation.services.optout_index import index_build

    index_build()


@shared_task(soft_time_limit=50, time_limit=60)
def keep_optout_index() -> None:
    """Build the index again when much has come since, or its file is gone."""
    from moderation.services.optout_index import index_is_due

    if index_is_due():
        build_optout_index.delay()


@shared_task(soft_time_limit=1500, time_limit=1560)
def refresh_optout_list(list_id: int) -> None:
    list_refresh(list_id=list_id)


@shared_task(soft_time_limit=50, time_limit=60)
def refresh_optout_lists() -> None:
    """Ask every configured list, each in a task of its own, whether it has changed."""
    for source in lists_configure():
        refresh_optout_list.delay(source.pk)
    files_tidy()


@shared_task(soft_time_limit=50, time_limit=60)
def sweep_optout() -> None:
    """Hand out again what lost its message or its worker, and remove what nobody confirmed in time."""
    for picture_id in pictures_due():
        prepare_optout_picture.delay(str(picture_id))
    for holder_id in holders_to_mail():
        send_optout_mail.delay(holder_id)
    for import_id in imports_due():
        run_optout_import.delay(import_id)
    registrations_expire()


@shared_task(autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5, soft_time_limit=50, time_limit=60)
def queue_screening(version_id: int) -> None:
    screening_of(version=Version.objects.get(pk=version_id))


@shared_task(
    acks_late=True,
    autoretry_for=(OperationalError,),
    retry_backoff=True,
    max_retries=5,
    soft_time_limit=1100,
    time_limit=1200,
)
def run_screening(screening_id: str) -> None:
    # Imported here, and only here: the checks load the engines that look at pictures and weights.
    from moderation.services.screening import screening_run

    screening_run(screening_id=screening_id)


@shared_task(autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5, soft_time_limit=50, time_limit=60)
def screen_described(adapter_id: int) -> None:
    for version in versions_wanted(adapter=adapter_id):
        screening_of(version=version)


@shared_task(soft_time_limit=50, time_limit=60)
def sweep_screenings() -> None:
    """Hand out again what lost its message or its worker."""
    for version in [*versions_unscreened(), *versions_with_new_pictures(), *versions_wanted()]:
        screening_of(version=version)
    for screening_id in screenings_due():
        run_screening.delay(screening_id)


@shared_task(
    acks_late=True,
    autoretry_for=(OperationalError,),
    retry_backoff=True,
    max_retries=5,
    soft_time_limit=500,
    time_limit=540,
)
def look_back(lookback_id: int) -> None:
    """Go on with a look back for a while; what is left is the next task's, so that others get their turn."""
    from moderation.services.looking import lookback_go_on

    if lookback_go_on(lookback_id=lookback_id):
        look_back.delay(lookback_id)


@shared_task(soft_time_limit=50, time_limit=60)
def sweep_lookbacks() -> None:
    """Begin a look back for what came newly, and hand out again those whose worker is gone."""
    lookback_begin()
    for lookback_id in lookbacks_due():
        look_back.delay(lookback_id)
    lookbacks_tidy()


@shared_task(soft_time_limit=280, time_limit=300)
def keep_deletions() -> None:
    """Deleted stays deleted, also when an older backup was restored."""
    deletions_keep()


@shared_task(
    acks_late=True,
    autoretry_for=(OperationalError,),
    retry_backoff=True,
    max_retries=5,
    soft_time_limit=800,
    time_limit=900,
)
def make_export(export_id: int) -> None:
    export_make(export_id=export_id)


@shared_task(soft_time_limit=50, time_limit=60)
def sweep_exports() -> None:
    """Hand out again the exports whose worker is gone."""
    for export_id in exports_due():
        make_export.delay(export_id)


@shared_task(soft_time_limit=3500, time_limit=3600)
def enforce_retention() -> None:
    """Delete what has been kept as long as the settings allow."""
    retention_enforce()
