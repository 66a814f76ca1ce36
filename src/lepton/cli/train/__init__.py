# SPDX-License-Identifier: Apache-2.0
"""Train a model.

examples:
  lepton train image --data digits
  lepton train image --help
"""
