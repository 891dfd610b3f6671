"""Who may do what with datasets and runs: permissions, and a table of roles for each. The law is another matter."""

from collections.abc import Iterable
from enum import StrEnum

from registry.permissions import AdapterRole


class DatasetPermission(StrEnum):
    READ = "dataset.read"  # pictures, captions, report
    CONTRIBUTE = "dataset.contribute"  # add, leave out and remove pictures, write captions
    TRAIN = "dataset.train"  # take a snapshot and train on it
    MANAGE = "dataset.manage"  # rights (of single pictures too), consents, retention, deletion
    REVIEW = "dataset.review"  # decide about what waits for a person


P = DatasetPermission

# Roles as in the registry; a moderator is one only towards a dataset that waits for a person.
DATASET_ROLES: dict[AdapterRole, frozenset[DatasetPermission]] = {
    AdapterRole.OWNER: frozenset({P.READ, P.CONTRIBUTE, P.TRAIN, P.MANAGE}),
    AdapterRole.MAINTAINER: frozenset({P.READ, P.CONTRIBUTE, P.TRAIN, P.MANAGE}),
    AdapterRole.MEMBER: frozenset({P.READ, P.CONTRIBUTE, P.TRAIN}),
    AdapterRole.READER: frozenset(),
    AdapterRole.MODERATOR: frozenset({P.READ, P.REVIEW}),
    AdapterRole.PUBLIC: frozenset(),
    AdapterRole.NOBODY: frozenset(),
}


# What is said of one picture about rights in it; the rest of what can be said of it is a contribution.
PICTURE_RIGHTS = frozenset({"source", "licence_id", "depicts_person", "protection", "consent"})


def permission_to_change(fields: Iterable[str]) -> DatasetPermission:
    """What it takes to change these of a picture."""
    return P.CONTRIBUTE if PICTURE_RIGHTS.isdisjoint(fields) else P.MANAGE


class RunPermission(StrEnum):
    READ = "run.read"  # its page, pictures and figures
    STEER = "run.steer"  # start, pause, resume, cancel, try again, choose a checkpoint
    PUBLISH = "run.publish"  # send its result to publication
    REVIEW = "run.review"  # decide what the policy engine left to a person


R = RunPermission

RUN_ROLES: dict[AdapterRole, frozenset[RunPermission]] = {
    AdapterRole.OWNER: frozenset({R.READ, R.STEER, R.PUBLISH}),
    AdapterRole.MAINTAINER: frozenset({R.READ, R.STEER, R.PUBLISH}),
    AdapterRole.MEMBER: frozenset({R.READ}),  # one's own runs are steered by oneself, see training.selectors.runs
    AdapterRole.READER: frozenset(),
    AdapterRole.MODERATOR: frozenset({R.READ, R.REVIEW}),
    AdapterRole.PUBLIC: frozenset(),
    AdapterRole.NOBODY: frozenset(),
}
