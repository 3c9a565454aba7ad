"""python -m labdiff: the same as the command labdiff."""

import sys

from labdiff.cli import main

sys.exit(main())
