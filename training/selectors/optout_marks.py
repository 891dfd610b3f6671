"""Which state of the registers of other people's rights something was compared with."""

import hashlib

from django.db.models import Max

from moderation.models import Block, FaceTemplate, OptOutRevision


def optout_mark() -> str:
    """A digest that changes with every opt-out, removed picture and protected likeness; SHA-256, hexadecimal."""
    parts = [f"{kind}:{mark}" for kind, mark in OptOutRevision.objects.order_by("kind").values_list("kind", "mark")]
    parts.append(f"block:{Block.objects.aggregate(last=Max('pk'))['last']}")
    parts.append(f"face:{FaceTemplate.objects.aggregate(last=Max('pk'))['last']}")
    return hashlib.sha256("|".join(parts).encode()).hexdigest()
