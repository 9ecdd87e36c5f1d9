"""What a reference agent does: minimises a function with a swarm of particles; pure but for its seed."""

import math
import random
from dataclasses import dataclass
from typing import Callable, Sequence

Point = Sequence[float]

OBJECTIVES: dict[str, Callable[[Point], float]] = {
    "sphere": lambda x: sum(v * v for v in x),
    "rastrigin": lambda x: sum(10 + v * v - 10 * math.cos(2 * math.pi * v) for v in x),
}
# Both have their least value at the origin; this is how far from it a swarm starts.
_REACH = 5.0
# How much of its speed a particle keeps, and how strongly a best point draws it.
_INERTIA, _PULL = 0.7, 1.5


@dataclass(frozen=True)
class Task:
    """One run of a swarm."""

    objective: str
    dimensions: int = 2
    particles: int = 20
    rounds: int = 60
    seed: int = 0


@dataclass(frozen=True)
class Found:
    """The least value that a swarm found, and where."""

    value: float
    position: list[float]


class _Particle:
    def __init__(self, task: Task, dice: random.Random):
        self.position = [dice.uniform(-_REACH, _REACH) for _ in range(task.dimensions)]
        self.speed = [0.0] * task.dimensions
        self.best = Found(OBJECTIVES[task.objective](self.position), list(self.position))

    def move(self, task: Task, leader: Found, dice: random.Random) -> None:
        """One step, drawn by its own best point and the leader's."""
        for at, here in enumerate(self.position):
            own = dice.random() * _PULL * (self.best.position[at] - here)
            common = dice.random() * _PULL * (leader.position[at] - here)
            self.speed[at] = _INERTIA * self.speed[at] + own + common
            self.position[at] = here + self.speed[at]
        value = OBJECTIVES[task.objective](self.position)
        if value < self.best.value:
            self.best = Found(value, list(self.position))


def minimise(task: Task) -> Found:
    """Runs the swarm; the same task gives the same result."""
    dice = random.Random(task.seed)
    swarm = [_Particle(task, dice) for _ in range(task.particles)]
    leader = _leader(swarm)
    for _ in range(task.rounds):
        for particle in swarm:
            particle.move(task, leader, dice)
        leader = _leader(swarm)
    return leader


def _leader(swarm: list[_Particle]) -> Found:
    return min((particle.best for particle in swarm), key=lambda best: best.value)
