"""Base models as files: read tensor by tensor, merged with adapters, compared with each other; never loaded whole."""
