"""Forms of moderation, one module per noun."""
