"""One label's logistic regression, and its calibration."""

import numpy as np
from sklearn.linear_model import LogisticRegression

SEED = 20


def fit(features, marks, c):
    """Weights and bias of one label; rows whose mark is unknown (NaN) stay out."""
    known = ~np.isnan(marks)
    if not known.all():
        features, marks = features[known], marks[known]
    model = LogisticRegression(solver="liblinear", dual=True, C=c, tol=1e-2, max_iter=300, random_state=SEED)
    model.fit(features, marks)
    return model.coef_[0], float(model.intercept_[0])


def platt(logits, marks):
    """Slope and offset that make logistic(slope · logit + offset) a probability on these rows."""
    model = LogisticRegression(C=1e6, tol=1e-8).fit(logits[:, None], marks)
    return float(model.coef_[0, 0]), float(model.intercept_[0])
