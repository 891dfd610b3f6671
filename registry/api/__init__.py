"""The registry's own API, version 1."""
