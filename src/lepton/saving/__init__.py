# SPDX-License-Identifier: Apache-2.0
"""Weights as safetensors, the rest as JSON: atomic writes, and reads that refuse bad files.

Every write goes to a temporary name in the same folder, is flushed to the disk and then renamed, so
a reader sees the old file or the new one and nothing between. Every read checks the whole file
before a value is used, and refuses with one sentence naming the file, the place and the cause.
"""

from lepton.saving.atomic import *
from lepton.saving.documents import *
from lepton.saving.tensors import *
