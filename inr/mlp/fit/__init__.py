"""Fitting a network of family `mlp` to one image. A decoder imports nothing from here."""
