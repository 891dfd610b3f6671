"""Training sets in the Hub protocol: read as repositories of the kind `datasets`, and written to by its clients."""
