"""Services of inference: what writes."""
