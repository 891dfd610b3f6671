"""The training report of a version: what everybody may see of the run that it came from."""

from typing import Any

from accounts.errors import NotFound
from registry.models import Version
from registry.selectors.visibility import Actor
from registry.states import TOMBSTONES
from training.models import RunResult
from training.selectors.run_pages import curves_of, recipe_rows, samples_grid
from training.selectors.runs import samples_visible
from training.services.run_states import RELATED


def report_of(*, version: Version) -> RunResult:
    """The run behind a version; raises NotFound where it was not trained here, or the version is a tombstone."""
    if version.state in TOMBSTONES:
        raise NotFound(f"{version} is {version.state}; its notice is what remains of it.")
    related = [f"run__{name}" for name in RELATED]
    result = RunResult.objects.filter(version=version).select_related("file", *related).first()
    if result is None:
        raise NotFound(f"{version} was not trained here.", remedy="Look at the version's page.")
    return result


def report_context(*, actor: Actor, result: RunResult) -> dict[str, Any]:
    """The page of a report; the samples are shown to the run's own people and to moderators."""
    run = result.run
    return {
        "run": run,
        "result": result,
        "version": result.version,
        "curves": curves_of(run),
        "grid": samples_grid(run) if samples_visible(actor=actor, run=run) else None,
        "recipe": recipe_rows(run),
        "rights": run.rights,
        "warnings": run.warnings,
    }
