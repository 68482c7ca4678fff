"""What a run has to do, how long that takes, and what it claims while it does it."""
