"""`/aiec incident …`: everything that people do to an incident, each a transaction on our own records."""
