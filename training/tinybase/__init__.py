"""The tiny base model and its starter adapters, trained from nothing: pictures, tokenizer, VAE, text encoder, UNet.

`python -m training.tinybase` trains the base, `python -m training.tinybase.adapters` the starter adapters.
"""
