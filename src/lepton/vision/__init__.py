# SPDX-License-Identifier: Apache-2.0
"""Image recognition: transforms on batches of images, networks, and recipes to train them."""

from lepton.vision.models import *
from lepton.vision.recipe import *
from lepton.vision.transforms import *
