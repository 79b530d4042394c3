"""Links to Grafana, for whoever wants to look closer than a picture lets him."""

import json
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlencode

LONGEST = 1_500
"""Characters of a link: a message has 3,000 in all."""
_NAMES = "ABCDEF"


def explore(url: str, expressions: Sequence[str], start: datetime, end: datetime) -> str:
    """Returns the page of Explore with these PromQL expressions over that time, of the data source that is Grafana's default: as many of the first ones as fit
    into a link; empty when none does. Source: grafana.com, "Explore", URL schema 1 (Grafana 10 and newer)."""
    period = {"from": f"{start.timestamp() * 1000:.0f}", "to": f"{end.timestamp() * 1000:.0f}"}
    queries = [{"refId": name, "expr": expression} for name, expression in zip(_NAMES, expressions, strict=False)]
    for many in range(len(queries), 0, -1):
        panes = json.dumps({"aiec": {"queries": queries[:many], "range": period}}, separators=(",", ":"))
        found = f"{url.rstrip('/')}/explore?{urlencode({'schemaVersion': 1, 'orgId': 1, 'panes': panes})}"
        if len(found) <= LONGEST:
            return found
    return ""
