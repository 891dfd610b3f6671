"""The checks of a version: each a small function from what is known about it to a result in words.

`moderation.checks` has them in order. A check that raises has failed, and what failed is no pass.
"""
