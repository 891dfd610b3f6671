"""Forms of the pages of inference."""
