"""What the suites share that find their subjects in the registry of ops."""
# SPDX-License-Identifier: Apache-2.0
