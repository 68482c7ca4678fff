"""Rate and distortion of real files, of this codec and of classical ones, and the figures from them."""
