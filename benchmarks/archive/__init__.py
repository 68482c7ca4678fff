"""The archive around its fits: many images, large catalogues, other conditions."""
