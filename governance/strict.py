"""Serializers that refuse what they do not know: a key that is silently passed over would answer another question."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from rest_framework import serializers


class StrictSerializer(serializers.Serializer[Any]):
    """A request body in which every key counts."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = [name for name, field in self.fields.items() if not field.read_only]
            if unknown := {str(key): [_hint(str(key), known)] for key in data if key not in known}:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


class NamedRow(serializers.SlugRelatedField[Any]):
    """A row by its name; with a zero byte, which no text of the database holds, it is none."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str) and "\0" in data:
            self.fail("does_not_exist", slug_name=self.slug_field, value=data.replace("\0", "␀"))
        return super().to_internal_value(data)


def _hint(key: str, known: list[str]) -> str:
    near = get_close_matches(key, known, n=1)
    return (
        f"There is no such key. Did you mean {near[0]}?"
        if near
        else f"There is no such key; known: {', '.join(known)}."
    )
