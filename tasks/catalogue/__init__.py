"""The catalogue: what its rows say, how they are stored as Parquet, and how they are queried."""
