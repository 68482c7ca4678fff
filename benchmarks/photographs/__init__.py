"""Openly licensed photographs from packages, and the crops from which the codec's priors are fitted."""
