"""What inference reads."""
