"""The networks that files of family `cnn` are differences from, fitted to many photographs at once."""
