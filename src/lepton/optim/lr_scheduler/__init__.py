# SPDX-License-Identifier: Apache-2.0
"""Learning rate schedules, named as in PyTorch."""

from lepton.optim.lr_scheduler.base import *
from lepton.optim.lr_scheduler.decay import *
from lepton.optim.lr_scheduler.one_cycle import *
from lepton.optim.lr_scheduler.sequential import *
