"""Runs the bench: `python -m bench` from the root of the repository, or `python bench`."""

# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

if __name__ == "__main__":
    # As a script this folder comes first; the package must be found, and none of its files as a
    # module of the top level.
    here = Path(__file__).resolve().parent
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != here]
    sys.path.insert(0, str(here.parent))
    from bench.run import main

    sys.exit(main())
