"""Fits of family `cnn` on a graphics card: whether they are right there, and how long they take."""
