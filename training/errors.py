"""What training refuses, each with its code and what to do."""

from accounts.errors import DomainError


class TrainingError(DomainError):
    """Base of the errors of the app; the engine has one of its own, which never reaches a page as it is."""


class DatasetNameTaken(TrainingError):
    code = "name-taken"
    status = 409
    title = "That name is taken"
    remedy = "Choose another name, or add the pictures to the dataset that has it."


class DatasetDeclaration(TrainingError):
    code = "declaration-incomplete"
    status = 422
    title = "The declaration is not complete"
    remedy = "Fill in what is named."


class UploadNotTaken(TrainingError):
    code = "upload-not-taken"
    status = 422
    title = "Nothing of the upload can be taken"


class DatasetFull(TrainingError):
    code = "dataset-full"
    status = 413
    title = "The dataset has no room for more"
    remedy = "Remove pictures, or make a second dataset."


class DatasetBusy(TrainingError):
    code = "dataset-busy"
    status = 409
    title = "The dataset is being worked on"
    remedy = "Wait until that has ended; the page says how far it is."


class EditConflict(TrainingError):
    code = "edit-conflict"
    status = 409
    title = "The captions have changed meanwhile"
    remedy = "Load the page again and look at the preview once more."


class EditRefused(TrainingError):
    code = "edit-refused"
    status = 422
    title = "The change of captions cannot be made"


class SnapshotRefused(TrainingError):
    code = "snapshot-refused"
    status = 409
    title = "The dataset cannot be trained on yet"
    remedy = "Look at its page: each picture says what stands against it. Leave such pictures out, or wait."


class DatasetGone(TrainingError):
    code = "dataset-gone"
    status = 410
    title = "The pictures are deleted"
    remedy = "Upload them again as a new dataset."


class ConsentNotLinked(TrainingError):
    code = "consent-not-linked"
    status = 422
    title = "The consent cannot be linked"
    remedy = "Ask for a consent that covers training, and wait until it is granted."


class RulingRefused(TrainingError):
    code = "ruling-refused"
    status = 409
    title = "There is nothing to decide here"
    remedy = "Reload the page: somebody else, or a check, has moved it on."


class CaptionerMissing(TrainingError):
    code = "captioner-missing"
    status = 422
    title = "There is no such captioner here"
    remedy = "Choose one of those that the page offers."


class RunConflict(TrainingError):
    code = "run-conflict"
    status = 409
    title = "The run is in another state"
    remedy = "Reload the page to see how the run stands."


class RecipeRefused(TrainingError):
    code = "recipe-refused"
    status = 422
    title = "The recipe cannot be trained"
    remedy = "Change the settings that `errors` names."


class RunNotAllowed(TrainingError):
    code = "run-not-allowed"
    status = 403
    title = "The run is not allowed"
    remedy = "The decision lists every reason, its clause and what to do."


class TrainingQuota(TrainingError):
    code = "training-quota"
    status = 429
    title = "No training quota is left"
    remedy = "Wait until a run ends or the month is over, or ask the administrator for more."


class ResultRefused(TrainingError):
    code = "result-refused"
    status = 409
    title = "The result cannot be taken"
