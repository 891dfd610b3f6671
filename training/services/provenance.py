"""What a written adapter says of itself in its header: where it comes from, by ids and digests alone."""

import hashlib
from pathlib import Path

from django.conf import settings

from training.models import TrainingRun

PIECE = 1024 * 1024


def provenance_of(run: TrainingRun) -> dict[str, str]:
    """Facts for the header. No licence: that is declared at publication, and the file must not gainsay it."""
    return {
        "title": run.title,
        "author": run.owner.slug,
        "date": (run.started_at or run.created_at).date().isoformat(),
        "run": str(run.public_id),
        "registry": settings.PUBLIC_URL,
        "dataset": run.snapshot.digest,
        "recipe": run.recipe_digest,
        "base": run.base_digest,
        "base_model": run.base_model.slug,
        "consents": ",".join(run.rights.get("consent_ids", ())),
        "decision": str(run.decision.public_id) if run.decision else "",
    }


def base_digest_keep(run: TrainingRun) -> bool:
    """Remember of which weights the run was made; False where its folder holds other weights by now.

    A hub id has no files here to digest, and stays without.
    """
    folder = Path(settings.BASE_MODEL_LOCATIONS[run.base_model.slug])
    if not folder.is_dir():
        return True
    found = folder_digest(folder)
    if not run.base_digest:
        run.base_digest = found
        run.save(update_fields=["base_digest"])
    return run.base_digest == found


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and digests of all weights in a folder, in the order of their names."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*.safetensors")):
        whole.update(f"{path.relative_to(folder).as_posix()}\0{_file_digest(path)}\n".encode())
    return whole.hexdigest()


def _file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
