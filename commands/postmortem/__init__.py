"""`/aiec postmortem …`: what is learnt from an incident, from the draft to what is published."""
