"""Pages of moderation: one module per noun."""
