"""The write-only shim of the Xet protocol: shards and xorbs are read, files put together, nothing kept of them."""
