"""Models of training, split by noun."""

from training.models.alarms import AlarmOutcome, DatasetAlarm
from training.models.dataset_jobs import WORK_UNFINISHED, DatasetJob, DatasetWork, WorkState
from training.models.datasets import (
    Dataset,
    DatasetBlock,
    DatasetConsent,
    DatasetDeletion,
    DatasetEdit,
    DatasetState,
    DatasetStatement,
    DeletionReason,
    EditKind,
    Origin,
    Purpose,
)
from training.models.pictures import DatasetPicture, PictureState, Protection
from training.models.runs import (
    EventKind,
    Level,
    PointKind,
    Priority,
    RunCheckpoint,
    RunEvent,
    RunFile,
    RunLease,
    RunPoint,
    RunResult,
    RunSample,
    TrainingRun,
)
from training.models.snapshots import DatasetSnapshot, TrainedPicture
from training.models.transfers import DatasetTransfer, DatasetTransferPart, DatasetXetSession

__all__ = [
    "WORK_UNFINISHED",
    "AlarmOutcome",
    "Dataset",
    "DatasetAlarm",
    "DatasetBlock",
    "DatasetConsent",
    "DatasetDeletion",
    "DatasetEdit",
    "DatasetJob",
    "DatasetPicture",
    "DatasetSnapshot",
    "DatasetState",
    "DatasetStatement",
    "DatasetTransfer",
    "DatasetTransferPart",
    "DatasetWork",
    "DatasetXetSession",
    "DeletionReason",
    "EditKind",
    "EventKind",
    "Level",
    "Origin",
    "PictureState",
    "PointKind",
    "Priority",
    "Protection",
    "Purpose",
    "RunCheckpoint",
    "RunEvent",
    "RunFile",
    "RunLease",
    "RunPoint",
    "RunResult",
    "RunSample",
    "TrainedPicture",
    "TrainingRun",
    "WorkState",
]
