"""Integer probability tables, and the range coder over them."""
