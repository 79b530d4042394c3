"""`/aiec runbook …`: looking at runbooks, and walking through one for an incident."""
