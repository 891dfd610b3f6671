"""The texts of the gate: the terms that are shown and accepted, and the NOTICE that goes with the file."""

import hashlib

from governance.policy import ActorFacts, Decision, Outcome, Use, decide
from governance.rulebook import current_ruleset
from registry.models import TermsText, Version
from registry.services.policy import use_request, version_components

FLAG_TEXTS = {
    "image": "sell the pictures made with it",
    "rent-civit": "run it on Civitai's own generator for payment",
    "rent": "run it as a paid service",
    "sell": "sell the adapter itself or merges with it",
}


def terms_of(version: Version, decision: Decision) -> TermsText:
    """The exact text that is shown at the gate for this decision, kept under its digest."""
    text = terms_text(version, decision)
    digest = hashlib.sha256(text.encode()).hexdigest()
    terms, _ = TermsText.objects.get_or_create(digest=digest, defaults={"text": text})
    return terms


def terms_text(version: Version, decision: Decision) -> str:
    """The same text, not kept."""
    return "\n\n".join([_head(version, decision), _creator(version), *_licences(version), _duties(decision)])


def _head(version: Version, decision: Decision) -> str:
    return f"Terms for {version}, use: {_words(decision.use)}.\nRules in force: {decision.ruleset_digest}"


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
    lines = [f"- {duty.text} ({_source(duty.licence, duty.clause)})" for duty in decision.obligations]
    return "What you take on with this use:\n" + ("\n".join(lines) or "- Nothing beyond the terms above.")


def notice_of(version: Version, decision: Decision, facts: ActorFacts) -> str:
    """The NOTICE: who made what, under which licence, and what must be passed on.

    It travels with the file, so beside the duties of the use that was asked for it carries those of everybody who
    passes the file on, also where passing it on is refused: then it says so, and why.
    """
    onwards = decide(use_request(version, Use.REDISTRIBUTION, facts), current_ruleset())
    passed_on = _joined_duties(onwards)
    asked = {key: names for key, names in _joined_duties(decision).items() if key not in passed_on}
    lines = ["NOTICE", "", f"{version.adapter.title} ({version}), by {version.adapter.owner.display_name}", ""]
    for component in version_components(version):
        lines.append(f"{component.role.value}: {component.name}, licence {component.licence_id or 'unknown'}")
    lines += ["", *_standing(onwards)]
    lines += ["Whoever passes this file on, or anything made from it, passes on what follows:", ""]
    lines += _listed(passed_on) or ["* No conditions beyond the licences named above."]
    if asked:
        lines += ["", f"What comes with the use that this copy was taken for ({_words(decision.use)}):", ""]
        lines += _listed(asked)
    lines += ["", "Licence summaries are not the licences themselves and not legal advice.", ""]
    return "\n".join(lines)


def _words(use: Use) -> str:
    return use.value.replace("-", " ")


def _standing(onwards: Decision) -> list[str]:
    """Whether whoever took this copy may pass it on; nothing where they may."""
    if onwards.allowed:
        return []
    verb = "may not be passed on" if onwards.outcome is Outcome.DENY else "may not be passed on before this is settled"
    reasons = dict.fromkeys(
        f"* {reason.message} [{_source(reason.licence, reason.clause)}]" for reason in onwards.deciding
    )
    return [f"This file {verb}:", "", *reasons, ""]


Duties = dict[tuple[str, str, str], list[str]]


def _joined_duties(decision: Decision) -> Duties:
    """Each duty once, with the names of all components that bring it under one licence."""
    found: Duties = {}
    for duty in decision.obligations:
        names = found.setdefault((duty.kind.value, duty.text, _source(duty.licence, duty.clause)), [])
        if duty.component not in names:
            names.append(duty.component)
    return found


def _listed(duties: Duties) -> list[str]:
    return [f"* {text} For: {'; '.join(names)}. [{source}]" for (_, text, source), names in duties.items()]


def _source(licence: str | None, clause: str | None) -> str:
    """A creator's flag and a consent say what they are in their clause."""
    return f"{licence or ''} {clause or ''}".strip() or "creator"
