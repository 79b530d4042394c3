"""Why pods do not start or do not serve, told from what the API shows: statuses, events, logs.

Every class of failure knows its own words, its own advice, and how long it has to last before it is a failure and not a stumble. Pure; the rollout
(`bot.core.rollout`) decides with it, and diagnosis may use it alike.
"""
