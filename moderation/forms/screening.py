"""What the people of a held version answer to its checks."""

from django import forms


class AgainForm(forms.Form):
    """The checks are repeated; with a statement where a person was found that none was declared for."""

    statement = forms.CharField(
        required=False,
        min_length=20,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="The person is fictional",
        help_text="Say how the person came about, for example from which model or drawing. The statement is on record.",
    )
