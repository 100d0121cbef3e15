"""The plan by which a complete store gets more galaxies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from argdask.errors import InputError
from argdask.recipe import Recipe, Scale
from argdask.simulation import Simulation
from argdask.store.plan import Plan, plan_of

__all__ = ["enlarged"]


def enlarged(store: Path, stored: Plan, asked: Simulation) -> tuple[Simulation, Plan]:
    """Return what makes a larger set that begins with the galaxies of a store.

    Parameters
    ----------
    store
        The store, complete.
    stored
        Its plan.
    asked
        What would make the larger set at once, with the scale of the store.

    Returns
    -------
    tuple
        The simulation and the plan. Its recipe is one that makes the same bytes at
        once: where a rule would by now give another scale, part, chunk or block than
        the store has, the number stands in the place of the rule.

    Raises
    ------
    InputError
        If the user's catalogue does not begin with the rows of the store, or has a row
        that cannot be made.
    """
    table = asked.catalogue.table
    if table is not None and table.content_hash(stored.galaxies) != stored.catalogue:
        raise InputError(
            "catalogue",
            f"{len(table)} rows",
            f"the {stored.galaxies} rows of {store} first, in their order",
            "append new galaxies at the end",
        )
    asked.catalogue.check_inputs()
    recipe = _stated_scale(asked.recipe, stored)
    grid = asked.catalogue.seds
    brought: dict[str, Any] = {"table": table, "psfs": asked.psfs}
    larger = Simulation(recipe, grid, stored.scale, **brought)
    plan = plan_of(larger, stored.format)
    if _laid_out(plan) != _laid_out(stored):
        layout = recipe.layout.model_copy(update=_laid_out(stored))
        recipe = recipe.model_copy(update={"layout": layout})
        larger = Simulation(recipe, grid, stored.scale, **brought)
        plan = plan_of(larger, stored.format)
    # The images were hashed, and the recipe compared, by whoever asks.
    return larger, replace(plan, images=stored.images)


def _stated_scale(recipe: Recipe, stored: Plan) -> Recipe:
    """Return the recipe with the scale as a number where its rule may give another."""
    rule = recipe.scale
    if not isinstance(rule, Scale):
        return recipe
    same = rule == stored.recipe.scale and rule.over != "all"
    if same and isinstance(rule.over, int) and rule.over <= stored.galaxies:
        return recipe
    return recipe.model_copy(update={"scale": stored.scale})


def _laid_out(plan: Plan) -> dict[str, Any]:
    return {"part": plan.part, "chunk": plan.chunk, "block": plan.block}
