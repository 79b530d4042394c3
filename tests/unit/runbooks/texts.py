"""Runbooks of tests, and the configuration and commands that they are held against."""

import textwrap

from bot.config_file import read as read_config
from bot.settings import SHIPPED
from commands.registry import COMMANDS
from runbooks.model import Problem, Runbook
from runbooks.reading import read
from runbooks.vetting import Vet

VET = Vet(read_config(SHIPPED), COMMANDS)

PLAIN = """\
---
alerts:
  - {alertname: HighErrorRate}
variables:
  pods: {ask: "How many pods?", example: "4"}
---
# Service outage

When customers cannot buy.

## Look at it

Read what it says. **Note**: it is quick.

- this is prose

```aiec
diagnose $environment $service
```

- [It began with a deploy](#go-back): within ten minutes
- [There are too few pods](#more-pods)

## Go back

```aiec
/aiec rollback $environment $service
```

- **Approval**: one person
- **Timeout**: 15m
- **Check**: `sum(rate(http_requests_total{service="$service",status=~"5..$"}[2m]))` is below 0.1
- **On failure**: escalate
- **Then**: end

## More pods

```sql
## this is no heading
```

```aiec
scale $environment $service $pods
```

- **Check**: `pods $environment $service` shows `4 of 4`
- **On failure**: go to [Go back](#go-back)
"""


def text(body: str) -> str:
    return textwrap.dedent(body)


def runbook(body: str) -> Runbook:
    """Returns the runbook of a text that is well."""
    found, problems = read(text(body), "test")
    assert found is not None, problems
    vetted, problems = VET.judge(found)
    assert problems == ()
    return vetted


def wrong(body: str) -> list[tuple[int, str]]:
    """Returns what is wrong in a text, each with its line."""
    found, problems = read(text(body), "test")
    problems = problems or VET.judge(found)[1] if found is not None else problems
    return [(one.line, one.text) for one in problems if isinstance(one, Problem)]
