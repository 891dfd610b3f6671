"""News that moderation sends, always after the commit and with nothing but a primary key."""

from django.dispatch import Signal

# A consent ended or was narrowed: whoever works under it asks `live_consents` again before going on.
consent_ended = Signal()  # sender=Consent, consent_id
recall_issued = Signal()  # sender=Recall, recall_id: issued, or lifted; its notices wait to be handed out
mail_queued = Signal()  # sender=Mail, mail_id
letter_written = Signal()  # sender=Letter, letter_id
optout_mail_due = Signal()  # sender=OptOutHolder, holder_id: a confirmation or a link is to be sent
optout_picture_received = Signal()  # sender=OptOutPicture, picture_id
optout_import_queued = Signal()  # sender=OptOutImport, import_id
optout_works_changed = Signal()  # sender=OptOutImport: many hashes came, the index is to be built again
enrolment_picture_received = Signal()  # sender=EnrolmentPicture, picture_id
screening_queued = Signal()  # sender=Screening, screening_id
screening_wanted = Signal()  # sender=Version, version_id: a change asks for checks that begin after it
# Something new counts: whoever keeps pictures or words asks `selectors.arrivals` of this look back about them.
register_grew = Signal()  # sender=Lookback, lookback_id
export_queued = Signal()  # sender=DataExport, export_id
