"""`python -m isthmus.cli`, the same as `isthmus`."""

import sys

from isthmus.cli import main

sys.exit(main())
