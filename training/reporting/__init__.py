"""What can be said about a dataset before anything is spent on it: pure functions over plain values, without Django.

`report.dataset_report` judges, `near.near_groups` finds near-duplicates, `split.validation_of` splits, `captions` reads
and edits captions. `pixels` looks at pictures and is for workers.
"""
