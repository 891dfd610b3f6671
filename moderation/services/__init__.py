"""What moderation writes, one module per noun."""
