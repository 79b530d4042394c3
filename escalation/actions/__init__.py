"""What is to be done so that an incident does not come back: items with owners and days, their reminders, and their issues on GitHub."""
