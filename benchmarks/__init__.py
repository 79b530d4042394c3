"""What `make bench` measures: aiec as its users run it (a process of its own, real HTTP), beside the tool that one would use instead.

Each pair is measured in one run on one machine, turn by turn, so that the ratio holds where the figures do not.
"""
