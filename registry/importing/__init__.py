"""Bringing adapters from elsewhere: a folder with what tools keep beside files, or an endpoint of the Hub protocol."""
