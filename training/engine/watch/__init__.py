"""The overfit watch: does a run learn what its pictures have in common, or the pictures themselves?

    found = judge(History(losses, validations, checkpoints), samples, training_pictures)
    found.warnings      # each with code, step, message (what, why, what to do) and facts
    found.best_step     # the checkpoint to take, explained in found.best.why

Pure functions of losses and picture files: nothing is downloaded, no torch. What each warning looks at, and how well it
does so on runs whose truth is known, stands in docs/training.md.
"""

from training.engine.watch.judge import judge
from training.engine.watch.records import History, Judgement, Proposal, Sample, TrainingPicture, WatchWarning

__all__ = ["History", "Judgement", "Proposal", "Sample", "TrainingPicture", "WatchWarning", "judge"]
