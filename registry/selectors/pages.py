"""What the adapter's page shows: the version, its facts, its licence card, and how to use the file."""

from typing import Any

from django.conf import settings

from accounts.models import User
from governance.policy import Outcome, Use, UseRequest, decide
from governance.rulebook import current_ruleset
from registry.forms import USE_LABELS, RatingForm
from registry.models import Adapter, DiscussionStatus, Lineage, Version, VersionFile
from registry.permissions import AdapterPermission as P
from registry.selectors.access import Actor, adapter_permissions, may_rate
from registry.selectors.visibility import (
    images_readable_by,
    samples_readable_by,
    version_readable,
    versions_readable_by,
)
from registry.services.policy import permissions_of, version_components
from registry.snippets import Snippet, usage_snippets
from registry.states import MEANINGS, TOMBSTONES, VersionState

# What nobody may use any more, or ever could.
GONE = TOMBSTONES | {VersionState.REFUSED}
MAX_DIGITS = 18  # of a number that the database can hold
PREVIEWED = frozenset({VersionState.PUBLISHED, VersionState.IN_REVIEW})


def adapter_page(*, actor: Actor, adapter: Adapter) -> dict[str, Any]:
    """The newest version that the actor may read, else an empty page for its owner."""
    version = adapter.latest or _newest_readable(actor, adapter)
    if version is None:
        return _frame(actor, adapter)
    return version_page(actor=actor, version=version)


def _newest_readable(actor: Actor, adapter: Adapter) -> Version | None:
    versions = versions_readable_by(actor).filter(adapter=adapter)
    return versions.select_related("adapter__owner", "base_model", "decision", "created_by").first()


def _frame(actor: Actor, adapter: Adapter) -> dict[str, Any]:
    granted = adapter_permissions(actor, adapter)
    return {
        "adapter": adapter,
        "version": None,
        "versions": versions_readable_by(actor).filter(adapter=adapter).select_related("adapter__owner"),
        "may_edit": P.EDIT in granted,
        "may_publish": P.PUBLISH in granted,
        "may_contribute": P.CONTRIBUTE in granted,
        "sees_inside": P.READ_UNPUBLISHED in granted,
        "rating_form": _rating_form(actor, adapter),
        "discussion_count": adapter.discussions.filter(status=DiscussionStatus.OPEN).count(),
    }


def _rating_form(actor: Actor, adapter: Adapter) -> RatingForm | None:
    """The form with the stars given so far, for who may rate."""
    if not isinstance(actor, User) or not may_rate(actor=actor, adapter=adapter):
        return None
    given = adapter.ratings.filter(user=actor).first()
    return RatingForm(initial={"stars": given.stars} if given else None)


def adapter_to_extend(*, actor: User, owner: str, name: str) -> Adapter | None:
    """The adapter to which an upload under this owner (its id) and name adds a version; None for a new one."""
    if not owner.isdecimal() or len(owner) > MAX_DIGITS:
        return None
    adapter = Adapter.objects.select_related("owner").filter(owner=int(owner), name=name.replace("\0", "")).first()
    if adapter is None or P.CONTRIBUTE not in adapter_permissions(actor, adapter):
        return None
    return adapter


def upload_initial(*, adapter: Adapter | None, owner: str, name: str) -> dict[str, Any]:
    """What the upload form holds at first: for a new version, what was declared about the one before."""
    initial: dict[str, Any] = {"owner": owner, "name": name}
    if adapter is None:
        return initial
    initial |= {"title": adapter.title, "visibility": adapter.visibility, "content_level": adapter.content_level}
    before = adapter.versions.select_related("base_model").first()
    return initial | (_declared(before) if before else {})


def _declared(version: Version) -> dict[str, Any]:
    kept = ["credit_required", "allow_derivatives", "allow_different_licence", "commercial_use", "strength"]
    return {name: getattr(version, name) for name in [*kept, "training_sources"]} | {
        "base_model": version.base_model.slug,
        "licence": version.licence_id,
        "trigger_words": ", ".join(version.trigger_words),
        "preview_prompt": next(iter(version.preview_prompts), ""),
    }


def version_page(*, actor: Actor, version: Version) -> dict[str, Any]:
    """Everything about one version that the actor may see."""
    adapter = version.adapter
    context = _frame(actor, adapter)
    state = VersionState(version.state)
    images = _rows(actor, version)
    file = version.files.filter(is_primary=True).first()
    context |= {
        "version": version,
        "state": state.value,
        "state_meaning": MEANINGS[state],
        "file": file,
        "inspection": version.inspection,
        "images": images,
        "samples": list(samples_readable_by(actor).filter(version=version)),
        "shows_previews": bool(images or (version.inspection and state in PREVIEWED)) and state not in TOMBSTONES,
        "licence_card": licence_card(version),
        "parents": _visible_parents(actor, version),
        "descendants": _visible_descendants(actor, version),
        "duplicate_of": _visible(actor, version.duplicate_of),
        "snippets": _snippets(version, file) if file and state not in GONE else [],
        "is_gone": state in GONE,
        "is_tombstone": state in TOMBSTONES,
        "is_taken_down": state is VersionState.TAKEN_DOWN,
        "downloadable": state is VersionState.PUBLISHED,
        "decision": _decision(version) if context["sees_inside"] else None,
    }
    return context


def _visible(actor: Actor, version: Version | None) -> Version | None:
    return version if version is not None and version_readable(actor, version) else None


def _visible_parents(actor: Actor, version: Version) -> list[Lineage]:
    edges = version.parents.filter(parent__in=versions_readable_by(actor))
    return list(edges.select_related("parent__adapter__owner"))


def _visible_descendants(actor: Actor, version: Version) -> list[Version]:
    children = versions_readable_by(actor).filter(parents__parent=version)
    return list(children.select_related("adapter__owner"))


def _rows(actor: Actor, version: Version) -> list[list[Any]]:
    """Pictures by prompt, each row by strength."""
    rows: dict[int, list[Any]] = {}
    for image in images_readable_by(actor).filter(version=version):
        rows.setdefault(image.row, []).append(image)
    return list(rows.values())


def _decision(version: Version) -> dict[str, Any] | None:
    record = version.decision
    if record is None:
        return None
    return {
        "outcome": record.outcome,
        "use": record.action,
        "reasons": record.reasons,
        "obligations": record.obligations,
        "questions": record.questions,
        "ruleset_digest": record.ruleset_digest,
    }


def licence_card(version: Version) -> dict[str, Any]:
    """Each use with its answer and what narrowed it, as the rules and what the version rests on stand now."""
    uses = permissions_of(version)["uses"] if version.permissions else {}
    rows = [{"use": use, "label": label, **uses[use]} for use, label in USE_LABELS.items() if use in uses]
    _add_grants(version, [row for row in rows if row["outcome"] == Outcome.ALLOW])
    return {"licence_id": version.licence_id, "base": version.base_model, "rows": rows}


def _add_grants(version: Version, rows: list[dict[str, Any]]) -> None:
    """The clauses by which each of these uses is allowed; what is kept names only what narrows."""
    components = version_components(version) if rows else ()
    for row in rows:
        decision = decide(UseRequest(Use(row["use"]), components), current_ruleset())
        row["granted_by"] = [reason.to_json() for reason in decision.reasons if reason.outcome is Outcome.ALLOW]


def _snippets(version: Version, file: VersionFile) -> list[Snippet]:
    return usage_snippets(version=version, filename=file.path, site=settings.PUBLIC_URL)
