"""Forms of the moderators' pages."""

from django import forms


class ReviewForm(forms.Form):
    """A decision with the reasoning that its uploader reads, and notes that they do not."""

    verdict = forms.ChoiceField(
        choices=[("approve", "Publish it"), ("refuse", "Refuse it")], widget=forms.RadioSelect, label="Decision"
    )
    public_reasoning = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4}),
        max_length=4000,
        label="Reasoning for the uploader",
        help_text="Shown with the decision. Name the rule or clause it rests on.",
    )
    private_notes = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}), max_length=4000, required=False, label="Notes for moderators only"
    )
