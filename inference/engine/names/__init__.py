"""From the names adapter files give modules to the modules of a pipeline."""

from inference.engine.names.index import NameIndex, Target

__all__ = ["NameIndex", "Target"]
