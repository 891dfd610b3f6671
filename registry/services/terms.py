"""The texts of the gate: the terms that are shown and accepted, and the NOTICE that goes with the file."""

import hashlib

from governance.policy import Decision
from governance.rulebook import current_ruleset
from registry.models import TermsText, Version
from registry.services.policy import version_components

FLAG_TEXTS = {
    "image": "sell the pictures made with it",
    "rent-civit": "run it on Civitai's own generator for payment",
    "rent": "run it as a paid service",
    "sell": "sell the adapter itself or merges with it",
}


def terms_of(version: Version, decision: Decision) -> TermsText:
    """The exact text that is shown at the gate for this decision, kept under its digest."""
    text = "\n\n".join([_head(version, decision), _creator(version), *_licences(version), _duties(decision)])
    digest = hashlib.sha256(text.encode()).hexdigest()
    terms, _ = TermsText.objects.get_or_create(digest=digest, defaults={"text": text})
    return terms


def _head(version: Version, decision: Decision) -> str:
    return (
        f"Terms for {version}, use: {decision.use.value.replace('-', ' ')}.\nRules in force: {decision.ruleset_digest}"
    )


def _creator(version: Version) -> str:
    allowed = [FLAG_TEXTS[use] for use in version.commercial_use]
    lines = [
        f"What its creator ({version.created_by.username}) permits, within what the licences below grant:",
        f"- Credit: {'required' if version.credit_required else 'not required'}.",
        f"- Derivatives and merges: {'allowed' if version.allow_derivatives else 'not allowed'}.",
        f"- Another licence for derivatives: {'allowed' if version.allow_different_licence else 'not allowed'}.",
        f"- Commercial use: {', '.join(allowed) if allowed else 'none'}.",
    ]
    return "\n".join(lines)


def _licences(version: Version) -> list[str]:
    """Each licence once, in the order base, adapter, ancestors."""
    ruleset = current_ruleset()
    seen: dict[str, list[str]] = {}
    for component in version_components(version):
        seen.setdefault(component.licence_id or "unknown", []).append(f"{component.role.value} {component.name}")
    texts = []
    for licence_id, names in seen.items():
        licence = ruleset.licences.get(licence_id)
        body = licence.terms if licence else "This licence is not in the catalogue."
        title = licence.name if licence else licence_id
        texts.append(f"{title}, for {'; '.join(names)}\n{body.strip()}")
    return texts


def _duties(decision: Decision) -> str:
    lines = [f"- {duty.text} ({duty.licence or 'creator'}, {duty.clause})" for duty in decision.obligations]
    return "What you take on with this use:\n" + ("\n".join(lines) or "- Nothing beyond the terms above.")


def notice_of(version: Version, decision: Decision) -> str:
    """The NOTICE: who made what, under which licence, and what must be passed on."""
    lines = ["NOTICE", "", f"{version.adapter.title} ({version}), by {version.adapter.owner.display_name}", ""]
    for component in version_components(version):
        lines.append(f"{component.role.value}: {component.name}, licence {component.licence_id or 'unknown'}")
    lines += ["", "Whoever passes this file on, or anything made from it, passes on what follows:", ""]
    lines += [f"* {duty.text} [{duty.licence or 'creator'} {duty.clause}]" for duty in decision.obligations]
    if not decision.obligations:
        lines.append("* No conditions beyond the licences named above.")
    lines += ["", "Licence summaries are not the licences themselves and not legal advice.", ""]
    return "\n".join(lines)
