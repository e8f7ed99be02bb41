"""`python -m firmmap` is the command `firmmap`."""

import sys

from ._command import main

sys.exit(main())
