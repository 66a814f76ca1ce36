# SPDX-License-Identifier: Apache-2.0
"""Transforms on whole batches of images, in NumPy; `Transform` tells the one convention."""

from lepton.vision.transforms.base import *
from lepton.vision.transforms.geometry import *
from lepton.vision.transforms.normalize import *
