# SPDX-License-Identifier: Apache-2.0
"""Measures of how well predictions meet targets: functions, and classes that add up batches."""

from lepton.metrics.classification import *
from lepton.metrics.confusion import *
from lepton.metrics.metric import *
from lepton.metrics.regression import *
