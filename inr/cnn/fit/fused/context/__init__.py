"""Bits of latents on a card: the context model, forwards and backwards in one pass."""
