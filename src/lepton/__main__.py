# SPDX-License-Identifier: Apache-2.0
"""``python -m lepton``: the command line."""

import sys

from lepton.cli import main

if __name__ == "__main__":
    sys.exit(main())
