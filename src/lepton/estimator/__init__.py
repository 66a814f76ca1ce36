# SPDX-License-Identifier: Apache-2.0
"""What all estimators share: scikit-learn's contract, checked inputs, and files without pickle."""

from lepton.estimator.base import *
