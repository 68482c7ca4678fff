"""The engine of all flows: it runs items of work, whatever they are, and shows how far a run is."""
