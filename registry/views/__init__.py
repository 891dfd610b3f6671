"""The registry's pages: thin views that parse, fetch with authorisation, call one service, and render."""
