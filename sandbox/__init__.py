"""Stand-ins of the systems that the bot talks to: real HTTP servers on loopback, for the demo and for tests. They know nothing of the product."""
