"""The networks of fits on a card: a step of SOAP for all matrices, and the bits that weights cost."""
