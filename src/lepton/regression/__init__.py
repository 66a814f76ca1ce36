# SPDX-License-Identifier: Apache-2.0
"""Linear and generalised linear models under scikit-learn's contract.

>>> from lepton.regression import LinearRegression
>>> model = LinearRegression().fit([[1], [2], [3], [4], [5]], [150, 200, 250, 300, 350])
>>> model.predict([[6]]).round(6)
array([400.])
"""

from sklearn.preprocessing import PolynomialFeatures as PolynomialFeatures

from lepton.regression.elastic_net import *
from lepton.regression.elastic_net_cv import *
from lepton.regression.elastic_net_path import *
from lepton.regression.huber import *
from lepton.regression.linear import *
from lepton.regression.logistic import *
from lepton.regression.poisson import *
from lepton.regression.quantile import *
from lepton.regression.ridge import *
from lepton.regression.ridge_cv import *
from lepton.regression.sgd_classifier import *
from lepton.regression.sgd_regressor import *
from lepton.regression.summary import *
