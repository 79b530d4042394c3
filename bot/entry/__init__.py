"""The ways in over HTTP: Slack's listeners, health and metrics. They understand nothing: what was asked goes through the door."""
