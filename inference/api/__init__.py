"""The API of inference."""
