"""Tables, and the one way to change them: a transaction that saves state, records events and queues messages together."""
