"""What each part of family `cnn` and of its fit is worth."""
