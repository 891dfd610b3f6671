"""From the names adapter files give modules to the modules of a pipeline."""

from inference.engine.names.index import NameIndex, Target
from inference.engine.names.spelling import LAYOUTS, Layout, Speller

__all__ = ["LAYOUTS", "Layout", "NameIndex", "Speller", "Target"]
