# SPDX-License-Identifier: Apache-2.0
"""Networks for tables under scikit-learn's contract.

>>> import numpy as np
>>> from lepton.tabular import MLPRegressor
>>> X = np.arange(1.0, 6.0).reshape(-1, 1)
>>> model = MLPRegressor(hidden_layer_sizes=8, learning_rate_init=0.05, random_state=0)
>>> bool(abs(model.fit(X, 2 * X[:, 0]).predict([[3.0]])[0] - 6) < 1)
True
"""

from lepton.tabular.mlp import *
from lepton.tabular.neural import *
from lepton.tabular.schema import *
from lepton.tabular.tabular import *
