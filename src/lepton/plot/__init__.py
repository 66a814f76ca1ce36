# SPDX-License-Identifier: Apache-2.0
"""Pictures of training: history curves, confusion matrix, ROC, predictions, importance.

Each function returns a Matplotlib `Figure` and, given `path=`, also saves it. Matplotlib is loaded
on first use, no window system is needed, and no global setting of Matplotlib is changed.
"""

from lepton.plot.confusion import *
from lepton.plot.curves import *
from lepton.plot.grid import *
from lepton.plot.importance import *
from lepton.plot.line import *
from lepton.plot.regression import *
from lepton.plot.roc import *
