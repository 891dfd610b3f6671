"""The small files that local tools keep beside an adapter: its facts, its words, its picture, and its papers."""
