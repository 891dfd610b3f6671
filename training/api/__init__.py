"""The HTTP API of training."""
