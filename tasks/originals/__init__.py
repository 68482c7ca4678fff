"""Photographs: how they are found, opened, and written back without loss."""
