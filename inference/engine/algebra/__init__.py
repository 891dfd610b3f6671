"""Computing with adapters: merging, resizing, extracting, pruning, converting, comparing."""
