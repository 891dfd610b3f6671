"""Near-duplicates numbered and validation pictures set aside, whenever the pictures of a dataset change."""

from training.models import Dataset, DatasetPicture
from training.reporting.near import Look, near_groups
from training.reporting.split import Splittable, validation_of


def dataset_resplit(*, dataset: Dataset) -> None:
    """Number the near-duplicates and set the validation pictures aside anew. Inside the caller's transaction."""
    columns = ("pk", "sha256", "phash", "colours", "is_prior", "left_out", "near_group", "is_validation")
    rows = list(dataset.pictures.order_by("sha256").only(*columns))
    own = [row for row in rows if not row.is_prior and not row.left_out]
    groups = near_groups([Look(int(row.phash, 16), bytes(row.colours)) for row in own])
    aside = validation_of(
        [Splittable(row.sha256, group) for row, group in zip(own, groups, strict=True)], dataset.validation_share
    )
    wanted = {row.pk: (group, row.sha256 in aside) for row, group in zip(own, groups, strict=True)}
    changed = []
    for row in rows:
        group, is_validation = wanted.get(row.pk, (None, False))
        if (row.near_group, row.is_validation) != (group, is_validation):
            row.near_group, row.is_validation = group, is_validation
            changed.append(row)
    DatasetPicture.objects.bulk_update(changed, ["near_group", "is_validation"], batch_size=500)
