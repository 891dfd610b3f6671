"""Building the index file of the register's works. Nothing depends on it but the time that a search takes."""

import logging

from moderation.models import OptOutIndexBuild, WorkFeatures, WorkHash
from moderation.selectors.optout_index import MANIFEST, index_folder, index_from_tables, index_write

logger = logging.getLogger(__name__)
LATER_MAX = 5_000  # rows above the newest index from which on it is built again


def index_build() -> bool:
    """Build the index file from the tables; False where another process of this machine is at it."""
    try:
        build = index_write(index_from_tables())
    except BlockingIOError:
        return False
    logger.info("The opt-out index was built as %s.", build)
    return True


def index_is_due() -> bool:
    """Whether there is no file, or so much has come since that a search would notice."""
    newest = OptOutIndexBuild.objects.first()
    if newest is None or not (index_folder() / MANIFEST).exists():
        return WorkHash.objects.exists()
    later = WorkHash.objects.filter(pk__gt=newest.hashes_upto)[:LATER_MAX].count()
    return later + WorkFeatures.objects.filter(pk__gt=newest.features_upto)[:LATER_MAX].count() >= LATER_MAX
