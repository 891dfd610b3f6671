"""The public "may I?" page: adapters and a use in, a decision with reasons and obligations out."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from registry.forms import USE_CHOICES
from registry.selectors.may_i import MayIQuestion, may_i_answer
from registry.selectors.search import AdapterQuery, adapter_search

SUGGESTIONS = 8


@require_http_methods(["GET", "HEAD"])
def may_i(request: HttpRequest) -> HttpResponse:
    """Everything lies in the query string, so that an answer can be linked to."""
    question = MayIQuestion.from_parameters(request.GET)
    text = request.GET.get("q", "").strip()
    found = adapter_search(
        actor=request.user, query=AdapterQuery(text=text, sort="relevance" if text else "downloads", limit=SUGGESTIONS)
    ).adapters
    context = {
        "question": question,
        "uses": USE_CHOICES,
        "q": text,
        "suggestions": [
            adapter for adapter in found if adapter.latest_id is not None and adapter.pk not in question.adapter_ids
        ],
    }
    context |= may_i_answer(actor=request.user, question=question)
    if request.headers.get("HX-Request"):
        return render(request, "registry/_may_i.html", context)
    return render(request, "registry/may_i.html", context)
