"""What moderators and their pages read."""
