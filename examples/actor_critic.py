"""An actor-critic that learns to balance a pole on a cart.

Eight carts run side by side. After some moves the actor is made likelier to do what turned out better than the critic
had foretold. The physics are those of Barto, Sutton and Anderson (1983), in NumPy.
"""

from collections.abc import Iterator

import numpy as np
from common import F, equal_weights, nn, run, tensor, torch

CARTS = 8
MOVES = 16
DISCOUNT = 0.98


class Carts:
    """Carts of 1 kg under poles of 0.1 kg and 1 m; each row of ``state`` is place, speed, angle, angular speed."""

    def __init__(self, rng):
        self.rng = rng
        self.state = rng.uniform(-0.05, 0.05, (CARTS, 4))
        self.age = np.zeros(CARTS)
        self.lives: list[float] = []  # how long the poles stood that have fallen

    def move(self, right):
        """Push to the right or left for 20 ms: (who has fallen, before they start anew)."""
        _, speed, angle, turning = self.state.T
        force = np.where(right, 10.0, -10.0)
        pull = (force + 0.05 * turning**2 * np.sin(angle)) / 1.1
        bend = (9.8 * np.sin(angle) - np.cos(angle) * pull) / (0.5 * (4 / 3 - 0.1 * np.cos(angle) ** 2 / 1.1))
        push = pull - 0.05 * bend * np.cos(angle) / 1.1
        self.state = self.state + 0.02 * np.stack([speed, push, turning, bend], axis=1)
        self.age += 1
        fallen = (np.abs(self.state[:, 0]) > 2.4) | (np.abs(self.state[:, 2]) > 0.21)
        over = fallen | (self.age >= 500)
        self.lives += list(self.age[over])
        self.state[over] = self.rng.uniform(-0.05, 0.05, (int(over.sum()), 4))
        self.age[over] = 0
        return over


class Player(nn.Module):
    """What to do (log-odds of left and right), and how much longer the pole will stand."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 64), nn.Tanh())
        self.actor = nn.Linear(64, 2)
        self.critic = nn.Linear(64, 1)

    def forward(self, state):
        seen = self.body(state)
        return self.actor(seen).log_softmax(-1), self.critic(seen).squeeze(-1)


player = Player()
equal_weights(player)
carts = Carts(np.random.default_rng(1))


def train() -> Iterator[float]:
    optimizer = torch.optim.RMSprop(player.parameters(), lr=3e-3, eps=1e-5)
    rng = np.random.default_rng(2)
    while True:
        chosen, foretold, entropy, overs = [], [], [], []
        for _ in range(MOVES):
            odds, value = player(tensor(carts.state))
            right = rng.uniform(size=CARTS) < odds[:, 1].detach().exp().double().numpy()
            chosen.append(odds.gather(1, tensor(right.astype(int)[:, None])).squeeze(1))
            foretold.append(value)
            entropy.append(-(odds.exp() * odds).sum(1))
            overs.append(tensor(carts.move(right).astype(float)))
        with torch.no_grad():
            later = player(tensor(carts.state))[1]
            returns = []
            for over in reversed(overs):
                later = 1 - over + DISCOUNT * later * (1 - over)
                returns.append(later)
            returns = torch.stack(returns[::-1])
        chosen, foretold, entropy = torch.stack(chosen), torch.stack(foretold), torch.stack(entropy)
        surprise = returns - foretold
        loss = (
            -(surprise.detach() * chosen).mean() + 0.5 * F.mse_loss(foretold, returns) - 0.01 * entropy.mean()
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(player.parameters(), 0.5)
        optimizer.step()
        yield loss.item()


def report() -> str:
    lives = carts.lives or [0]
    first, last = np.mean(lives[:10]), np.mean(lives[-10:])
    return f"the first ten poles stood for {first:.0f} moves, the last ten for {last:.0f} (500 is all)"


if __name__ == "__main__":
    run(train, steps=1500, report=report)
