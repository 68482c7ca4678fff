"""What keeps an archive in order over years: what nothing needs any more is removed."""
