"""The only SQL in the project, and the only encryption at rest."""
