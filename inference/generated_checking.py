"""Looking at drawn pictures before anybody sees them. Imported by workers only: it loads the detectors."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import OperationalError

from governance.policy import ActorFacts, ObligationKind, Use, UseRequest, decide
from governance.rulebook import current_ruleset
from inference.models import GenerationPicture
from inference.selectors.generation_adapters import all_components
from inference.services.generation_results import MAX_LOOKS, look_conclude, look_lease, look_renew
from moderation.matching.explicit import LOOK, WITH_YOUTH_TERMS
from moderation.screening.picture_bytes import Grounds, Looked, picture_look
from moderation.selectors.consents import live
from registry.leases import lease_kept

log = logging.getLogger(__name__)
BROKEN = "check-failed"
EXPLICIT = "sexual-content"
WHY = {
    "optout-work": "It shows a work whose holder has registered it in the opt-out register.",
    "blocked-copy": "It is a copy of a picture that was removed here for good.",
    "likeness-match": "A face in it is near that of somebody who had their likeness protected here.",
    "likeness-refused": "A face in it is near that of somebody who declined your request for consent.",
    EXPLICIT: "It may show sexual content, which is not made here.",
    BROKEN: "A check of it could not be finished, and a check that does not finish is no pass.",
}
REMEDY = "Change the prompt or the adapters, or use another seed."


def picture_check(*, picture_id: str) -> None:
    """Look at the picture unless somebody else does; safe to call again at any time."""
    picture = look_lease(picture_id=picture_id)
    if picture is None:
        return
    with lease_kept(renew=partial(look_renew, picture=picture), lifetime=settings.JOB_LEASE):
        codes = _codes(picture)
    look_conclude(picture=picture, codes=codes, problem=_problem(codes))


def _codes(picture: GenerationPicture) -> list[str]:
    """What was found. Whatever goes wrong in a check is a finding of its own; but for a lost database."""
    if picture.check_attempts > MAX_LOOKS:
        return [BROKEN]
    try:
        looked = _look(picture)
    except OperationalError:
        raise  # the task is repeated
    except Exception:
        log.exception("The checks of picture %s failed", picture.pk)
        return [BROKEN]
    codes = {finding.code for finding in looked.findings}
    if looked.explicit >= (WITH_YOUTH_TERMS if picture.generation.watchful else LOOK):
        codes.add(EXPLICIT)
    return sorted(codes)


def _look(picture: GenerationPicture) -> Looked:
    generation = picture.generation
    with default_storage.open(picture.storage_key, "rb") as file:
        content: bytes = file.read()
    grounds = Grounds(
        owner=generation.user.namespace, user_id=generation.user_id, consents=_consents_now(generation.consents)
    )
    return picture_look(content, sent=picture.sha256, grounds=grounds, faces=_faces_may_be_compared(picture))


def _consents_now(asked: Sequence[str]) -> tuple[str, ...]:
    """Those of the consents that the request counted on which are still in force: one can end meanwhile."""
    return tuple(str(one.public_id) for one in live().filter(public_id__in=list(asked)))


def _faces_may_be_compared(picture: GenerationPicture) -> bool:
    """False where a licence of the base model or an adapter forbids biometric processing of what they make."""
    versions = [one.version for one in picture.generation.adapters.select_related("version__base_model")]
    components = all_components(picture.generation.base_model, versions)
    duties = decide(UseRequest(Use.PREVIEW, components, ActorFacts()), current_ruleset()).obligations
    return all(duty.kind is not ObligationKind.NO_BIOMETRIC_PROCESSING for duty in duties)


def _problem(codes: list[str]) -> dict[str, Any]:
    if not codes:
        return {}
    why = " ".join(WHY.get(code, f"A check found something against it ({code}).") for code in codes)
    return {"what": "The picture was withheld.", "why": why, "remedy": REMEDY}
