# SPDX-License-Identifier: Apache-2.0
"""``python -m lepton``: the command line."""

import sys

from lepton.cli import main

sys.exit(main())
