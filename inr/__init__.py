"""An image as the entropy-coded weights of a small network fitted to that one image.

Arrays in, bytes out, and back: `encode`, `decode`, `inspect`. Everything else in this package is
reached through those three. Names, which `__init__.pyi` lists with their places, resolve on first use, so
importing the package costs nothing.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
