"""Atom and RSS feeds of new versions: what strangers may see, whoever asks."""
