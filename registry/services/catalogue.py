"""Loading what ships with the code: base models, the rights statement and the table of transitions."""

import hashlib
import tomllib
from pathlib import Path

from django.db import transaction

from registry.models import BaseModel, RightsStatement

FOLDER = Path(__file__).resolve().parent.parent
BASES = FOLDER / "catalogue" / "base_models.toml"
STATEMENTS = FOLDER / "statements"


@transaction.atomic
def base_models_load() -> int:
    """Bring the base-model table up to date with the TOML; answers how many there are."""
    entries = tomllib.loads(BASES.read_text())["base_model"]
    for position, entry in enumerate(entries):
        parent = BaseModel.objects.get(slug=entry["derived_from"]) if "derived_from" in entry else None
        BaseModel.objects.update_or_create(
            slug=entry["slug"],
            defaults={
                "name": entry["name"],
                "family": entry["family"],
                "licence_id": entry["licence"],
                "licence_asserted_by": entry["asserted_by"],
                "weights_source": entry["source"],
                "note": entry.get("note", ""),
                "derived_from": parent,
                "position": position,
            },
        )
    return len(entries)


@transaction.atomic
def rights_statements_load() -> int:
    """Register every edition of the rights statement; an edition's text never changes."""
    files = sorted(STATEMENTS.glob("*.txt"))
    for path in files:
        text = path.read_text().strip()
        digest = hashlib.sha256(text.encode()).hexdigest()
        statement, _ = RightsStatement.objects.get_or_create(
            edition=path.stem, defaults={"text": text, "digest": digest}
        )
        if statement.digest != digest:
            raise ValueError(f"The text of {path.name} was changed: write a new edition instead.")
    return len(files)
