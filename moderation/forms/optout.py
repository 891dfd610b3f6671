"""Forms of the opt-out register: what people register, and what moderators decide and import."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from moderation.addresses import AddressRefused
from moderation.models import EntryKind
from moderation.optout_pictures import BYTES_TOGETHER, PIXELS_TOGETHER, CheckedPicture, picture_check
from moderation.optout_things import HashRefused, NameRefused, Thing, address_thing_read, hash_read, name_read
from moderation.services.optout import THINGS_MAX, Submission
from moderation.services.optout_rulings import Verdict
from registry.pictures import BYTES_MAX, PictureRefused

LINES = forms.Textarea(attrs={"rows": 3})
ERRORS_SHOWN = 10
REFUSED = (AddressRefused, HashRefused, NameRefused)
VERDICT_WORDS = {
    Verdict.VERIFY: "Verify: it is theirs to opt out",
    Verdict.REJECT: "Reject: it does not count, whoever registers it",
    Verdict.WITHDRAW: "Withdraw what was registered; lists that name it still count",
}


class PicturesInput(forms.ClearableFileInput):
    """Several files at once."""

    allow_multiple_selected = True


class PicturesField(forms.FileField):
    """Pictures, each decoded to its end before it is taken; the message names the file that is no good."""

    widget = PicturesInput

    def clean(self, data: Any, initial: Any = None) -> list[CheckedPicture]:
        files: list[UploadedFile] = [file for file in (data if isinstance(data, list | tuple) else [data]) if file]
        most = settings.OPTOUT_PICTURES_AT_ONCE
        if len(files) > most:
            raise forms.ValidationError(f"{len(files)} pictures at once are too many: send at most {most} at a time.")
        if sum(file.size or 0 for file in files) > BYTES_TOGETHER:
            raise forms.ValidationError(f"Together they are larger than {BYTES_TOGETHER // 1024**2} MiB: send fewer.")
        problems, taken = [], []
        for file in files:
            try:
                taken.append(_checked(file))
            except PictureRefused as error:
                problems.append(f"{(file.name or 'A picture')[:80]}: {error}")
            if sum(picture.pixels for picture in taken) > PIXELS_TOGETHER:
                raise forms.ValidationError("Together they have too many pixels: send fewer, or smaller ones.")
        if problems:
            raise forms.ValidationError(problems)
        return taken


def _checked(file: UploadedFile) -> CheckedPicture:
    title = (file.name or "").rpartition(".")[0] or (file.name or "")
    content = file.read(BYTES_MAX + 1)
    return picture_check(content, title="".join(sign for sign in title[:300] if sign.isprintable()))


def _lines(text: str, read: Callable[[str], Thing]) -> list[Thing]:
    """Each line read; a ValidationError names the lines that cannot be taken."""
    things, problems = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                things.append(read(line))
            except REFUSED as error:
                problems.append(f"Line {number}, “{line.strip()[:60]}”: {error}")
    if problems:
        more = len(problems) - ERRORS_SHOWN
        raise forms.ValidationError(problems[:ERRORS_SHOWN] + ([f"And {more} more lines."] if more > 0 else []))
    return things


class RegisterForm(forms.Form):
    """What somebody opts out; without an account with the mailbox to which the confirmation goes."""

    name = forms.CharField(
        max_length=120, label="Your name or studio", help_text="Moderators see it; it is not published."
    )
    email = forms.EmailField(
        max_length=254,
        label="E-mail address",
        help_text="You get a link that confirms the registration. The address is kept encrypted.",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    pictures = PicturesField(
        required=False,
        label="Works: pictures",
        widget=PicturesInput(attrs={"accept": "image/jpeg,image/png,image/webp", "multiple": True}),
    )
    hashes = forms.CharField(
        widget=LINES,
        max_length=60_000,
        required=False,
        label="Works: hashes",
        help_text="One in a line: pdq:…, phash:… or sha256:…, then a title if you like. "
        "For those who would rather not upload their pictures.",
    )
    names = forms.CharField(
        widget=LINES,
        max_length=60_000,
        required=False,
        label="Names and aliases",
        help_text="One in a line: every name that you sign or are known by.",
    )
    mononyms = forms.CharField(
        widget=LINES,
        max_length=6_000,
        required=False,
        label="Names of a single word",
        help_text="A word may be the name of many: these are looked for when a moderator has verified them.",
    )
    addresses = forms.CharField(
        widget=LINES,
        max_length=60_000,
        required=False,
        label="Addresses",
        help_text="One in a line: your domain, or your page on another site. example.com covers its subdomains.",
    )
    on_behalf = forms.BooleanField(required=False, label="I act for the rights holder, with their authority.")
    statement = forms.BooleanField(label="I affirm the statement above.")

    def __init__(self, *args: Any, signed_in: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[
            "pictures"
        ].help_text = (
            f"JPEG, PNG or WebP, up to {BYTES_MAX // 1024**2} MiB each, {settings.OPTOUT_PICTURES_AT_ONCE} at a time."
        )
        if signed_in:
            del self.fields["email"]
            self.fields["name"].required = False

    def clean_hashes(self) -> list[Thing]:
        return _lines(self.cleaned_data["hashes"], hash_read)

    def clean_names(self) -> list[Thing]:
        return _lines(self.cleaned_data["names"], lambda line: name_read(line, mononym=False))

    def clean_mononyms(self) -> list[Thing]:
        return _lines(self.cleaned_data["mononyms"], lambda line: name_read(line, mononym=True))

    def clean_addresses(self) -> list[Thing]:
        return _lines(self.cleaned_data["addresses"], address_thing_read)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        parts = ("hashes", "names", "mononyms", "addresses", "pictures")
        count = sum(len(data.get(part) or ()) for part in parts)
        if not count and not any(part in self.errors for part in parts):
            raise forms.ValidationError("Name at least one work, name or address.")
        if count > THINGS_MAX:
            raise forms.ValidationError(f"{count} at once are too many: send at most {THINGS_MAX} at a time.")
        return data

    def submission(self) -> Submission:
        """What was filled in, as the service takes it."""
        data = self.cleaned_data
        things = (*data["hashes"], *data["names"], *data["mononyms"], *data["addresses"])
        return Submission(things, tuple(data["pictures"]), data["name"], data["on_behalf"])


class LinkForm(forms.Form):
    """The mailbox to which the link to one's entries is sent."""

    email = forms.EmailField(
        max_length=254,
        label="E-mail address",
        help_text="The one that you registered with.",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class RulingForm(forms.Form):
    """A moderator's decision about an entry."""

    verdict = forms.ChoiceField(widget=forms.RadioSelect, label="Decision")
    public_reasoning = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=4000,
        label="Reasoning for the holder",
        help_text="Shown on their page, and kept for good: write no personal data into it.",
    )
    private_notes = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2}), max_length=4000, required=False, label="Notes for moderators only"
    )

    def __init__(self, *args: Any, possible: list[Verdict], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["verdict"].choices = [(one.value, VERDICT_WORDS[one]) for one in possible]  # type: ignore[attr-defined]


class BlockForm(forms.Form):
    """Why a holder is blocked."""

    public_reasoning = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2}),
        max_length=4000,
        label="Reasoning",
        help_text="Write no personal data.",
    )


class ImportForm(forms.Form):
    """A list that a moderator imports."""

    name = forms.CharField(
        max_length=80,
        label="Name of the list",
        help_text="A list that is known gets a new file. You answer for what it names: it counts as verified.",
    )
    file = forms.FileField(
        label="File",
        help_text="CSV or JSON lines with the columns below.",
        widget=forms.FileInput(attrs={"accept": ".csv,.jsonl,.ndjson"}),
    )
    complete = forms.BooleanField(
        required=False, label="This is the whole list: withdraw what it named before and does not any more"
    )


class EntrySearchForm(forms.Form):
    """What moderators look for."""

    q = forms.CharField(max_length=200, required=False, label="Search")
    kind = forms.ChoiceField(choices=[("", "Every kind"), *EntryKind.choices], required=False, label="Kind")
    state = forms.ChoiceField(
        choices=[
            ("", "Every state"),
            ("unverified", "Active, not verified"),
            ("active", "Active"),
            ("pending", "Waits for confirmation"),
            ("rejected", "Rejected"),
            ("withdrawn", "Withdrawn"),
        ],
        required=False,
        label="State",
    )

    def clean_q(self) -> str:
        return str(self.cleaned_data["q"]).strip().replace("\0", "")
