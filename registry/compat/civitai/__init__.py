"""The Civitai REST API v1, as its clients expect it: numeric ids, every hash, licence flags computed from the rules."""
