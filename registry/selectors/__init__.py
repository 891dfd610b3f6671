"""What the registry reads: who may see what, search, facets and the facts that pages show."""
