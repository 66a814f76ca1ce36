"""Lepton's speed beside PyTorch's, NumPy's and others', and beside what the chip can do."""

# SPDX-License-Identifier: Apache-2.0
