"""What each format of image file says of its picture, and carries beside it, where Pillow is silent.

Each module of a format has `check`, which refuses what Pillow would read wrongly, by the header alone, and
`carried`, which gives the metadata to keep, and a note on everything else that a file brings.
"""
