"""Fitting a network of family `cnn` to one image. A decoder imports nothing from here."""
