# SPDX-License-Identifier: Apache-2.0
"""Training: the loop, its callbacks, checkpoints that resume bit for bit, and the run directory."""

from lepton.training.callbacks import *
from lepton.training.checkpoint import *
from lepton.training.diagnosis import *
from lepton.training.history import *
from lepton.training.interrupt import *
from lepton.training.progress import *
from lepton.training.run import *
from lepton.training.trainer import *
