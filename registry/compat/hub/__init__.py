"""The Hugging Face Hub protocol over our own rows: thin, and never a second truth."""
