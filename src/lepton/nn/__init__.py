# SPDX-License-Identifier: Apache-2.0
"""Networks: modules, layers, losses, starting values, and functions, named as in PyTorch."""

from lepton.nn import functional as functional
from lepton.nn import init as init
from lepton.nn import utils as utils
from lepton.nn.activation import *
from lepton.nn.attention import *
from lepton.nn.container import *
from lepton.nn.convolution import *
from lepton.nn.dropout import *
from lepton.nn.embedding import *
from lepton.nn.linear import *
from lepton.nn.loss import *
from lepton.nn.module import *
from lepton.nn.normalization import *
from lepton.nn.parameter import *
from lepton.nn.pooling import *
from lepton.nn.recurrent import *
from lepton.nn.recurrent_cell import *
from lepton.nn.shape import *
from lepton.nn.state import *
from lepton.nn.transformer import *
