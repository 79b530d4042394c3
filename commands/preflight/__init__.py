"""The checks before a deploy: each looks at one thing, reads only, and says what it saw in one sentence."""
