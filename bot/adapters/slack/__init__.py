"""Slack: cards as Block Kit (pure: `mrkdwn`, `blocks`), and the chat port over Slack's Web API (`chat`, `errors`)."""
