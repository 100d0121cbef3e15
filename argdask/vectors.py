"""Vectors in compiled loops that are too short for LLVM to make them of its own."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

__all__ = ["LANES", "store_product"]

LANES = 8
"""Numbers in a vector; a processor with narrower ones takes several."""


def _store_product(
    typing: Any, target: Any, place: Any, number: Any, factors: Any, begin: Any
) -> tuple[Any, Any]:
    """Multiply a number by `LANES` others, and write the products next to each other.

    Parameters
    ----------
    typing
        Given by numba.
    target
        Where they are written (float32).
    place
        Index of the first.
    number
        A float32.
    factors
        What it is multiplied by (float32).
    begin
        Index of the first. Neither index is checked.

    Returns
    -------
    tuple
        For numba, the signature and what writes the code.
    """

    def write(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        lane, vector = ir.IntType(32), ir.VectorType(ir.FloatType(), LANES)
        places = []
        for array, index in ((0, 1), (3, 4)):
            made = context.make_array(signature.args[array])
            data = made(context, builder, values[array]).data
            pointer = builder.gep(data, [values[index]])
            places.append(builder.bitcast(pointer, vector.as_pointer()))
        nothing = ir.Constant(vector, ir.Undefined)
        one = builder.insert_element(nothing, values[2], ir.Constant(lane, 0))
        every = ir.Constant(ir.VectorType(lane, LANES), [0] * LANES)
        numbers = builder.shuffle_vector(one, nothing, every)
        products = builder.fmul(numbers, builder.load(places[1], align=4))
        builder.store(products, places[0], align=4)
        return context.get_dummy_value()

    return types.void(target, place, number, factors, begin), write


store_product: Any = intrinsic(_store_product)
"""In kernels: `_store_product` without its first argument, which returns nothing."""
