"""The parts of a fit that all families share. A decoder imports nothing from here."""
