"""The permission matrix: every address of the site × role × state of a version × visibility."""
