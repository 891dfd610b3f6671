"""Protocols of other registries, spoken over the same rows, services and rules as our own."""
