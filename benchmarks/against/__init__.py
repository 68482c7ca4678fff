"""Fits and decodes of this checkout and another one, in pairs."""
