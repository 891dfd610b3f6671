"""Moderation in the API, one module per noun."""
