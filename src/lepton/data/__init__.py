# SPDX-License-Identifier: Apache-2.0
"""Datasets, batches and readers: everything between a file and a training loop."""

from lepton.data import datasets as datasets
from lepton.data.collate import *
from lepton.data.dataset import *
from lepton.data.loader import *
from lepton.data.readers import *
from lepton.data.split import *
