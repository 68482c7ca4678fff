"""JPEG XL, which Pillow does not read: its boxes, its header, and the reader that Pillow is given."""
