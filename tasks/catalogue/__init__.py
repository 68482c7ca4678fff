"""The catalogue: its rows, how they are stored as Parquet, and how they are queried."""
