"""Features from elsewhere: JAX, Keras, or activations that were stored.

Here a network is trained in plain NumPy; only arrays reach repdyn.
"""

import numpy as np
from sklearn.datasets import load_digits

import repdyn

STEPS = 600

digits = load_digits()
rng = np.random.default_rng(0)
order = rng.permutation(len(digits.data))
x, y = digits.data[order] / 16, digits.target[order]
train, kept = slice(0, 1200), slice(1200, 1600)

sizes = [64, 64, 48, 10]
weights = [rng.normal(0, np.sqrt(2 / a), (a, b)) for a, b in zip(sizes, sizes[1:])]


def forward(inputs: np.ndarray) -> list[np.ndarray]:
    layers = [inputs]
    for weight in weights[:-1]:
        layers.append(np.maximum(layers[-1] @ weight, 0))
    return [*layers[1:], layers[-1] @ weights[-1]]


with repdyn.start_run(checkpoints=25, max_steps=STEPS, unit="step", run_name="numpy") as run:
    for step in range(STEPS + 1):
        if run.is_due(step):  # activations of the same inputs, only where they are needed
            names = [f"layer {i}" for i in range(len(weights))]
            run.add_features(dict(zip(names, forward(x[kept]))), step, labels=y[kept])
        batch = rng.integers(0, 1200, 64)
        layers = [x[batch], *forward(x[batch])]
        gradient = np.exp(layers[-1] - layers[-1].max(1, keepdims=True))
        gradient /= gradient.sum(1, keepdims=True)
        loss = -np.log(gradient[np.arange(64), y[batch]]).mean()
        gradient[np.arange(64), y[batch]] -= 1
        for i in reversed(range(len(weights))):
            change = layers[i].T @ gradient / 64
            gradient = (gradient @ weights[i].T) * (layers[i] > 0)
            weights[i] -= 0.1 * change
        if step % 10 == 0:
            hits = forward(x[train])[-1].argmax(1) == y[train]
            run.log({"train/loss": loss, "train/acc": hits.mean()}, step)

print(f"measured run {run.run_id[:8]}; look at it with: repdyn tui")
