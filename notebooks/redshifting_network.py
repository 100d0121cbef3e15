"""A small convolutional network that moves galaxies to another redshift."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import NamedTuple

import torch
from redshifting import Galaxies, Survey
from redshifting_scores import chi_square
from torch import Tensor, nn

__all__ = ["Redshifter", "Training", "predict", "train"]

_BRIGHTEST = 12.0  # asinh of pixels, in units of twice the noise


class _Block(nn.Module):
    """Two convolutions whose channels are weighted by what is known of the galaxy."""

    def __init__(self, width: int, known: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.weigh = nn.Linear(known, 2 * width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, image: Tensor, known: Tensor) -> Tensor:
        """Return the image, changed a little."""
        factor, shift = self.weigh(known)[..., None, None].chunk(2, dim=1)
        inside = nn.functional.gelu(self.first(image) * (1.0 + factor) + shift)
        return image + self.second(inside)


class Redshifter(nn.Module):
    """Predict the noiseless image at z_out from the noisy one at z_in.

    The resized input is multiplied by a ratio of fluxes, which follows from both
    redshifts and the colours of the input, and is then corrected pixel by pixel, in
    the inverse hyperbolic sine: a factor where it is bright, a difference in the noise.

    Parameters
    ----------
    survey
        What is known of the telescope.
    width
        Channels of the convolutions, on every other pixel.
    blocks
        Pairs of convolutions.
    """

    def __init__(self, survey: Survey, width: int = 32, blocks: int = 3) -> None:
        super().__init__()
        filters, known = len(survey.gain), 96
        self.register_buffer("noise", 2.0 * survey.background_sigma)
        self.survey = survey
        self.describe = nn.Sequential(
            nn.Linear(2 * filters + 4, known),
            nn.GELU(),
            nn.Linear(known, known),
            nn.GELU(),
            nn.Linear(known, known),
            nn.GELU(),
        )
        self.ratio = nn.Linear(known, filters)
        nn.init.zeros_(self.ratio.weight)
        nn.init.constant_(self.ratio.bias, -1.0)
        self.enter = nn.Conv2d(8 * filters, width, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(width, known) for _ in range(blocks))
        self.leave = nn.Conv2d(width, 4 * filters, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def features(self, galaxies: Galaxies) -> Tensor:
        """Return redshifts, size, brightness and colours (galaxy, feature)."""
        images = galaxies.input
        # Light weighted by where it is, in all filters together: less noise than a sum.
        weight = (images / self.noise[:, None, None]).mean(dim=1, keepdim=True)
        weight = nn.functional.avg_pool2d(weight, 3, 1, 1).clamp(min=0.0)
        weight = weight / weight.square().sum(dim=(2, 3), keepdim=True).sqrt()
        light = (images * weight).sum(dim=(2, 3))
        bright = light.abs().mean(dim=1, keepdim=True) + self.noise.mean()
        log_z = torch.log1p(torch.stack([galaxies.z_in, galaxies.z_out], dim=1))
        size = galaxies.size_ratio[:, None]
        return torch.cat(
            [
                4.0 * log_z - 2.5,
                5.0 * (size - 0.8),
                torch.log10(bright),
                torch.asinh(10.0 * light / bright) - 2.5,
                torch.asinh(light / self.noise) / 3.0 - 1.5,
            ],
            dim=1,
        )

    def forward(self, galaxies: Galaxies) -> Tensor:
        """Return images (galaxy, filter, y, x) [uJy / pixel]."""
        noise = self.noise[:, None, None]
        known = self.describe(self.features(galaxies))
        ratio = torch.exp(self.ratio(known).clamp(-8.0, 3.0))[..., None, None]
        seen = torch.asinh(galaxies.resized / noise)
        moved = torch.asinh(galaxies.resized * ratio / noise)
        both = nn.functional.pixel_unshuffle(torch.cat([seen, moved], dim=1), 2)
        inside = self.enter(both)
        for block in self.blocks:
            inside = block(inside, known)
        change = nn.functional.pixel_shuffle(self.leave(inside), 2)
        return torch.sinh((moved + change).clamp(max=_BRIGHTEST)) * noise


class Training(NamedTuple):
    """What a training took."""

    steps: int
    """Batches that the network has seen."""
    galaxies: int
    """Galaxies that it has seen, each once."""
    seconds: float
    """By the clock."""
    waiting: float
    """Of them, the fraction that went by until there was a batch."""
    loss: list[float]
    """Chi-square per pixel of each batch."""


def train(
    network: Redshifter,
    batches: Iterable[Galaxies],
    *,
    steps: int,
    seconds: float = math.inf,
    rate: float = 3e-3,
) -> Training:
    """Train a network on chi-square per pixel.

    Parameters
    ----------
    network
        It is changed in place.
    batches
        Galaxies to learn from, at least as many as steps.
    steps
        How many batches.
    seconds
        By the clock, after which it ends in any case.
    rate
        Highest learning rate; it rises in the first twentieth and then falls to 0, by
        the number of steps or by the clock, whichever is nearer to its end.

    Returns
    -------
    Training
        What it took.
    """
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    begin = ready = time.perf_counter()
    waited, losses, seen = 0.0, [], 0
    for step, galaxies in enumerate(batches):
        arrived = time.perf_counter()
        waited += arrived - ready
        done = max(step / steps, (arrived - begin) / seconds)
        if done >= 1.0:
            break
        for group in optimiser.param_groups:
            group["lr"] = rate * min(20.0 * done + 0.01, math.cos(0.5 * math.pi * done))
        each = chi_square(network(galaxies), galaxies.target, network.survey)
        loss = each.mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        seen += len(each)
        ready = time.perf_counter()
    took = time.perf_counter() - begin
    return Training(len(losses), seen, took, waited / took, losses)


def predict(network: Redshifter, galaxies: Galaxies, batch_size: int = 250) -> Tensor:
    """Return what a network makes of galaxies, some at a time."""
    network.eval()
    rows = torch.arange(len(galaxies.z_in)).split(batch_size)
    with torch.no_grad():
        return torch.cat([network(galaxies.of(some)) for some in rows])
