"""Matching cores of moderation: pure functions over pictures, names, faces, weights and marks."""
