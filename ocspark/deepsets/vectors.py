"""Write the vector instructions, for LLVM, of which the compiled network consists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from llvmlite import ir

F32, I32, I64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
POINTER = ir.PointerType()

# expm1(r) = r + r² q(r), |r| ≤ ln 2 / 2: minimax in absolute error, rounded to float32
_Q = (0.5, 0.166665181517601, 0.04166620597243309, 0.008368917740881443, 0.0013950540451332927)
_LOG2_E, _LN_2 = 1.4426950408889634, 0.6931471805599453
_ROUND = 12582912.0 + 127.0  # 1.5 · 2²³: adding it leaves the rounded exponent in the low bits
_ELU_IS_MINUS_1 = -30.0


@dataclass(frozen=True)
class Shape:
    """Size of a tile of a matrix product, which a processor holds in its vector registers.

    Attributes
    ----------
    lanes : int
        Floats in a register.
    rows, vectors : int
        Rows of the tile, and registers in each.
    """

    lanes: int
    rows: int
    vectors: int


class Writer:
    """Writes the instructions of one function; a vector is `Shape.lanes` float32.

    Parameters
    ----------
    function : ir.Function
    shape : Shape
    width : int
        Hidden width of the network.
    """

    def __init__(self, function: ir.Function, shape: Shape, width: int) -> None:
        self.function = function
        self.b = ir.IRBuilder(function.append_basic_block())
        self.shape, self.width = shape, width
        self.vector = ir.VectorType(F32, shape.lanes)
        name = f"llvm.fma.v{shape.lanes}f32"
        known = function.module.globals.get(name)
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        self._fma = known or ir.Function(function.module, kind, name)

    def integer(self, value: int) -> ir.Constant:
        """Return a 64-bit integer."""
        return ir.Constant(I64, value)

    def constant(self, value: float) -> ir.Constant:
        """Return a vector that repeats a number."""
        single = ir.Constant(F32, float(np.float32(value)))
        return ir.Constant(self.vector, [single] * self.shape.lanes)

    def at(self, pointer: ir.Value, *steps: ir.Value | int, element: ir.Type = F32) -> ir.Value:
        """Return the address that is the sum of some steps, in elements, beyond a pointer."""
        for step in steps:
            index = self.integer(step) if isinstance(step, int) else step
            pointer = self.b.gep(pointer, [index], source_etype=element)
        return pointer

    def times(self, value: ir.Value, factor: int) -> ir.Value:
        """Return the product of an integer and a constant."""
        return self.b.mul(value, self.integer(factor))

    def load(self, pointer: ir.Value, first: int) -> ir.Value:
        """Return the vector in memory that begins at element `first`."""
        return self.b.load(self.at(pointer, first), typ=self.vector, align=4)

    def store(self, value: ir.Value, pointer: ir.Value, first: int) -> None:
        """Put a vector in memory from element `first` on."""
        self.b.store(value, self.at(pointer, first), align=4)

    def spread(self, pointer: ir.Value) -> ir.Value:
        """Return a vector that repeats a float in memory."""
        single = self.b.load(pointer, typ=F32)
        nothing = ir.Constant(self.vector, ir.Undefined)
        first = self.b.insert_element(nothing, single, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, self.shape.lanes), [0] * self.shape.lanes)
        return self.b.shuffle_vector(first, nothing, zeros)

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """Return a b + c, rounded once."""
        return self.b.call(self._fma, [a, b, c])

    def loop(
        self,
        stop: ir.Value | int,
        step: int,
        carried: Sequence[ir.Value],
        body: Callable[[ir.Value, list[ir.Value]], Sequence[ir.Value]],
    ) -> list[ir.Value]:
        """Write a loop: `body(i, carried)` for i = 0, step, 2 step, … below `stop`.

        Parameters
        ----------
        stop : integer
            Positive: the body runs at least once.
        step : int
        carried : sequence of ir.Value
            Values that the first passage gets; each later one gets what the one before returned.
        body : callable

        Returns
        -------
        list of ir.Value
            What the last passage returns.
        """
        end = self.integer(stop) if isinstance(stop, int) else stop
        before = self.b.block
        inside = self.b.append_basic_block()
        self.b.branch(inside)
        self.b.position_at_end(inside)
        counter = self.b.phi(I64)
        counter.add_incoming(self.integer(0), before)
        values = []
        for value in carried:
            phi = self.b.phi(value.type)
            phi.add_incoming(value, before)
            values.append(phi)
        results = list(body(counter, list(values)))
        following = self.b.add(counter, self.integer(step))
        for phi, value in zip((counter, *values), (following, *results), strict=True):
            phi.add_incoming(value, self.b.block)
        after = self.b.append_basic_block()
        self.b.cbranch(self.b.icmp_signed("<", following, end), inside, after)
        self.b.position_at_end(after)
        return results

    def tiles(self, n: ir.Value, rows: int, body: Callable[[ir.Value, ir.Value], None]) -> None:
        """Write loops: `body(first row, first column)` for each tile of a matrix n by `width`."""

        def along(i: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            def across(g: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
                body(i, g)
                return []

            return self.loop(self.width, self.shape.lanes * self.shape.vectors, [], across)

        self.loop(n, rows, [], along)

    def elu(self, x: ir.Value) -> ir.Value:
        """Return x where it is positive, else e^x − 1; 0 for NaN."""
        zero, one = self.constant(0.0), self.constant(1.0)
        above = self.b.select(self.b.fcmp_ordered(">", x, zero), x, zero)
        below = self.b.select(self.b.fcmp_ordered("<", x, zero), x, zero)
        least = self.constant(_ELU_IS_MINUS_1)
        below = self.b.select(self.b.fcmp_ordered(">", below, least), below, least)
        # e^x = 2^n e^r: n by rounding, 2^n from its bits
        rounded = self.fma(below, self.constant(_LOG2_E), self.constant(_ROUND))
        whole = self.b.fsub(rounded, self.constant(_ROUND))
        bits = ir.VectorType(I32, self.shape.lanes)
        exponent = ir.Constant(bits, [23] * self.shape.lanes)
        scale = self.b.bitcast(self.b.shl(self.b.bitcast(rounded, bits), exponent), self.vector)
        r = self.fma(whole, self.constant(-_LN_2), below)
        q = self.constant(_Q[-1])
        for coefficient in _Q[-2::-1]:
            q = self.fma(q, r, self.constant(coefficient))
        expm1 = self.fma(self.b.fmul(r, r), q, r)
        return self.b.fadd(above, self.fma(scale, expm1, self.b.fsub(scale, one)))

    def product(
        self, x: ir.Value, rows: int, weights: ir.Value, columns: int, start: list[list[ir.Value]]
    ) -> list[list[ir.Value]]:
        """Return start + x W for a tile: rows of `x` by as many vectors of columns as `start` has.

        `x` has rows of `width`; `weights` points to the tile's first column, in rows of `columns`.
        """
        vectors = len(start[0])

        def body(k: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
            for ahead in range(4):
                row = self.at(weights, self.times(k, columns), ahead * columns)
                w = [self.load(row, c * self.shape.lanes) for c in range(vectors)]
                for r in range(rows):
                    one = self.spread(self.at(x, k, ahead + r * self.width))
                    for c in range(vectors):
                        sums[r * vectors + c] = self.fma(one, w[c], sums[r * vectors + c])
            return sums

        flat = self.loop(self.width, 4, [v for row in start for v in row], body)
        return [flat[r * vectors : (r + 1) * vectors] for r in range(rows)]
