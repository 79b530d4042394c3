"""Incidents from the alert to the closed post-mortem: policy, routing, paging, reminders."""
