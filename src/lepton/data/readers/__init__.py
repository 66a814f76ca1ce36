# SPDX-License-Identifier: Apache-2.0
"""Readers of file formats: each gives NumPy arrays or a Dataset, and refuses damaged files."""

from lepton.data.readers.idx import *
from lepton.data.readers.images import *
from lepton.data.readers.tables import *
