"""How the archive does around its fits: many images, large catalogues, other conditions."""
