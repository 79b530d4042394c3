"""What an incident taught: drafted from the event log, written together by people, reminded of, and published."""
