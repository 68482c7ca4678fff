"""The report of an archive as one HTML page: facts from the catalogue, charts, pictures, template."""
