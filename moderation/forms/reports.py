"""Forms of people outside: a report of each kind, an appeal, a counter-notice."""

from typing import Any

from django import forms
from django.conf import settings

from moderation.notices import COUNTER_NOTICE, NOTICES, NoticeRule, statements_of
from moderation.services.people import Contact

TEXT = {
    "name": ("Your name", "name"),
    "email": ("Your e-mail address", "email"),
    "address": ("Your postal address", "street-address"),
    "phone": ("Your telephone number", "tel"),
    "signature": ("Your signature: type your full name", "off"),
}
MAX = {"name": 200, "email": 254, "address": 1000, "phone": 60, "signature": 200}


def _area(rows: int) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows})


class ManyFiles(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Several files at once."""

    widget = ManyFiles

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        given = data if isinstance(data, list | tuple) else [data] if data else []
        if len(given) > settings.EVIDENCE_MAX_FILES:
            raise forms.ValidationError(f"Send at most {settings.EVIDENCE_MAX_FILES} files.")
        return [super(FilesField, self).clean(one, initial) for one in given]


class NoticeForm(forms.Form):
    """What every notice has: the text, who sends it, and what they affirm."""

    text = forms.CharField(widget=_area(6), max_length=10_000)

    def __init__(self, *args: Any, rule: NoticeRule, contact: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in contact:
            self.fields[name] = self._contact_field(name, required=name in rule.required)
        for code, wording in statements_of(rule):
            self.fields[f"sworn-{code}"] = forms.BooleanField(label=wording)
        self.rule = rule

    def _contact_field(self, name: str, *, required: bool) -> forms.Field:
        label, autocomplete = TEXT[name]
        attrs = {"autocomplete": autocomplete}
        given: dict[str, Any] = {"label": label, "required": required, "max_length": MAX[name]}
        if name == "email":
            return forms.EmailField(**given, widget=forms.EmailInput(attrs=attrs))
        return forms.CharField(**given, widget=forms.TextInput(attrs=attrs))

    def contact(self) -> Contact:
        return Contact(**{name: self.cleaned_data.get(name, "") for name in TEXT})

    def sworn(self) -> tuple[str, ...]:
        return tuple(code for code in self.rule.statements if self.cleaned_data.get(f"sworn-{code}"))


class ReportForm(NoticeForm):
    """A report of one kind; the fields follow from `moderation.notices`."""

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        rule = NOTICES[kind]
        asked = tuple(name for name in TEXT if name in rule.required or name in {"name", "email"})
        super().__init__(*args, rule=rule, contact=asked, **kwargs)
        self.fields["text"].label = "What is wrong, and where it can be seen"
        if rule.work_label:
            self.fields["work"] = forms.CharField(label=rule.work_label, max_length=4000, widget=_area(3))
        if kind != "minors":  # such pictures must not be sent around
            self.fields["files"] = FilesField(
                label="Evidence",
                required=False,
                help_text=f"Up to {settings.EVIDENCE_MAX_FILES} pictures, PDF or text files, each up to "
                f"{settings.EVIDENCE_MAX_BYTES // 1024**2} MiB. Kept encrypted; moderators alone open them.",
            )
        self.order_fields(["work", "text", "files", *asked])


class AppealForm(forms.Form):
    text = forms.CharField(
        label="Why the decision is wrong",
        help_text="Somebody who did not take it reads this.",
        widget=_area(6),
        max_length=10_000,
    )


class CounterNoticeForm(NoticeForm):
    """The sworn answer to a notice of infringement."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, rule=COUNTER_NOTICE, contact=tuple(TEXT), **kwargs)
        self.fields["text"].label = "Why the removal was a mistake"


class AnswerForm(forms.Form):
    text = forms.CharField(label="Your answer", widget=_area(5), max_length=4000)
