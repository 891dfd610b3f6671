"""News that training sends, always after the commit and with nothing but primary keys and codes."""

from django.dispatch import Signal

dataset_job_queued = Signal()  # sender=DatasetJob, job_id
# A new opt-out or the end of a consent hit a dataset that is in use: runs over it stop, their results are held back.
dataset_blocked = Signal()  # sender=Dataset, dataset_id, code
run_queued = Signal()  # sender=TrainingRun, gpu_class: a worker of that class has something to do
checkpoint_chosen = Signal()  # sender=TrainingRun, run_id, step, gpu_class: a worker is to write it as an adapter
