"""Summaries, curves, comparisons and pages made of what an archive holds. The last room of this floor."""
