"""House prices by linear regression: in closed form, and by gradient descent step by step.

    python examples/house_prices.py [--output runs/house-prices]

Five houses, 1 to 5 rooms, cost 150 to 350 (thousand). What does one with 6 rooms cost? And what if
a second feature says the same as the first, so that X'X has no inverse?
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import lepton
from lepton import optim, plot
from lepton.regression import LinearRegression

PRICES = np.array([150.0, 200.0, 250.0, 300.0, 350.0])
ROOMS = np.array([[1.0], [2.0], [3.0], [4.0], [5.0]])
# The second feature is the first plus one: centred, the two columns are the same.
ROOMS_AND_LEVELS = np.array([[1.0, 2.0], [2.0, 3.0], [3.0, 4.0], [4.0, 5.0], [5.0, 6.0]])


def closed_form(X: np.ndarray, y: np.ndarray) -> LinearRegression:
    """Least squares, (X'X)^-1 X'y of centred columns; if X'X is singular the shortest solution."""
    model = LinearRegression().fit(X, y)
    print(f"  rank of centred X: {model.rank_} of {X.shape[1]}")
    print(f"  coefficients {model.coef_.round(6)}, intercept {model.intercept_:.6g}")
    return model


def gradient_descent(
    X: np.ndarray, y: np.ndarray, lr: float = 0.02, steps: int = 500
) -> tuple[np.ndarray, float]:
    """Minimise L = 1/2 sum (y - f(x))^2 with f(x) = w x + b, from w = 0.

    Columns are centred first: that takes b out of the problem (b = mean of y - w mean of x), and of
    all w with the same loss gradient descent from zero then finds the shortest, as the closed form
    does.
    """
    x_mean, y_mean = X.mean(axis=0), y.mean()
    x, target = lepton.asarray(X - x_mean), lepton.asarray(y - y_mean)
    w = lepton.zeros(X.shape[1], dtype=lepton.float64).requires_grad_()
    optimizer = optim.SGD([w], lr=lr)
    for step in range(steps):
        residual = target - lepton.matmul(x, w)
        loss = 0.5 * lepton.sum(residual * residual)
        optimizer.zero_grad()
        loss.backward()
        if step in (0, 1, 2, steps - 1):
            by_hand = -(residual.detach().numpy() @ x.numpy())  # dL/dw = -sum (y - f(x)) x
            assert np.allclose(w.grad.numpy(), by_hand)
            print(f"  step {step:3}: loss {loss.item():12.6g}, gradient {w.grad.numpy().round(6)}")
        optimizer.step()
    coef = w.detach().numpy()
    intercept = float(y_mean - coef @ x_mean)
    print(f"  coefficients {coef.round(6)}, intercept {intercept:.6g}")
    return coef, intercept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="runs/house-prices", help="the folder of the pictures")
    output = Path(parser.parse_args().output)
    output.mkdir(parents=True, exist_ok=True)

    for X, new, name in [
        (ROOMS, np.array([[6.0]]), "rooms"),
        (ROOMS_AND_LEVELS, np.array([[6.0, 7.0]]), "rooms and levels"),
    ]:
        print(f"{name}: closed form")
        model = closed_form(X, PRICES)
        print(f"{name}: gradient descent on L = 1/2 sum (y - f(x))^2")
        coef, intercept = gradient_descent(X, PRICES)
        for way, price in [
            ("closed form", model.predict(new)[0]),
            ("gradient descent", (new @ coef + intercept)[0]),
        ]:
            print(f"  {tuple(new[0].tolist())} costs {price:.6f} by {way}")
        plot.fitted_line(
            X[:, 0],
            PRICES,
            # The second feature of any house is the first plus one.
            lambda rooms, model=model, p=X.shape[1]: model.predict(rooms + np.arange(p)),
            new=new[:, 0],
            labels=("rooms", "price in thousand"),
            title=f"House prices by {name}",
            path=output / f"{name.replace(' ', '_')}.png",
        )
    print(f"pictures in {output}")


if __name__ == "__main__":
    main()
