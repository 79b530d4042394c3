"""`python -m bot` is `aiec`."""

import sys

from bot.cli import main

sys.exit(main())
