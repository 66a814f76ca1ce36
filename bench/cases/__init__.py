"""The questions: one module each, found by the harness.

A module has a TITLE and a function `cases(quick)` that yields `bench.case.Case`s.
"""

# SPDX-License-Identifier: Apache-2.0
