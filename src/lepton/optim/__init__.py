# SPDX-License-Identifier: Apache-2.0
"""Optimisers and learning rate schedules, named as in PyTorch."""

from lepton.optim import lr_scheduler as lr_scheduler
from lepton.optim.adam import *
from lepton.optim.optimizer import *
from lepton.optim.sgd import *
