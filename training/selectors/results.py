"""What the registry asks about versions that were trained here: on what, and whether the rights to it still hold."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from governance.policy import Component, Use
from moderation.models import Consent
from moderation.selectors.consents import covering
from registry.models import Version
from registry.standing import Obstacle
from training.models import RunResult, TrainingRun
from training.services.standing import kept_components
from training.services.withholding import result_obstacle

NAME = "its training pictures under {licence}"


def training_components(versions: Sequence[Version]) -> Iterable[Component]:
    """The training data of each, by licence alone: decisions about a public adapter name no private dataset."""
    results = RunResult.objects.filter(version__in=[version.pk for version in versions]).select_related("run")
    for result in results:
        for component in kept_components(result.run):
            name = NAME.format(licence=component.licence_id or "no stated licence")
            yield replace_name(component, name)


def replace_name(component: Component, name: str) -> Component:
    """The same component without what would identify its source."""
    return replace(component, name=name, asserted_by="")


def training_obstacle(version: Version, use: Use) -> Obstacle | None:
    """Asked before a version is published, handed out or previewed."""
    related = ("run__snapshot__dataset", "run__owner")
    result = RunResult.objects.filter(version=version).select_related(*related).first()
    if result is None:
        return None
    problem = result_obstacle(result.run)
    if problem is not None:
        return Obstacle(problem["code"], problem["what"], problem["why"], problem["remedy"])
    return _beyond_consent(result.run, version)


def _beyond_consent(run: TrainingRun, version: Version) -> Obstacle | None:
    """A consent to train alone is none to publish what was trained, nor to earn with it."""
    rested_on = Consent.objects.filter(public_id__in=run.rights.get("consent_ids", ()))
    if all(covering(version, consent.subject) is not None for consent in rested_on.select_related("subject")):
        return None
    earning = " and commercial use, which its flags allow" if version.commercial_use else ""
    return Obstacle(
        "consent-scope",
        "It cannot be given to others.",
        f"A person agreed to the training, but their consent does not cover publication{earning}.",
        "Ask that person for a consent that does, or declare no commercial use where that is all that is missing.",
    )
