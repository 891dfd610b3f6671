"""Template filters of inference."""
