"""Compile what training does between matrix products: ELU, and sums over the set (LLVM)."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from ocspark.deepsets.program import machine_code, new_function, target
from ocspark.deepsets.vectors import Shape, Writer

_LOCK = Lock()


@dataclass(frozen=True)
class Passes:
    """Compiled functions of n sets of `size` rows, given as addresses of float32 arrays.

    Attributes
    ----------
    forward : callable
        (n, x (n, size, width), common (n, width), mean (n, width)): adds `common` to the rows of
        `x`, applies ELU in place, writes the mean over the set.
    backward : callable
        (n, gradient (n, size, width), x (n, size, width), common (n, width), total (n, width)):
        adds `common` to the rows of `gradient`, which is then the gradient with respect to ELU's
        result `x`; replaces it by the gradient with respect to ELU's argument; writes its sum over
        the set to `total`.
    backward_last : callable
        The same for the last layer, where the gradient with respect to `x` is `common` alone, and
        `gradient` is only written.
    """

    forward: Any
    backward: Any
    backward_last: Any
    #: Keeps the machine code in memory.
    engine: llvm.ExecutionEngine


def passes(width: int, size: int) -> Passes:
    """Return the compiled functions for a width (a multiple of 16) and a set size."""
    with _LOCK:
        return _compile(width, size)


@cache
def _compile(width: int, size: int) -> Passes:
    machine, own = target()
    shape = Shape(own.lanes, rows=1, vectors=1)
    module = ir.Module()
    module.triple = machine.triple

    def writer(name: str, pointers: int) -> Writer:
        return Writer(new_function(module, name, pointers, internal=False), shape, width)

    _write_forward(writer("forward", 3), size)
    _write_backward(writer("backward", 4), size, last=False)
    _write_backward(writer("backward_last", 4), size, last=True)
    engine = machine_code(module, machine)

    def function(name: str, pointers: int) -> Any:
        kind = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * pointers)
        return kind(engine.get_function_address(name))

    return Passes(
        function("forward", 3), function("backward", 4), function("backward_last", 4), engine
    )


def _write_forward(w: Writer, size: int) -> None:
    n, x, common, mean = w.function.args

    def column(e: ir.Value, g: ir.Value) -> None:
        own, rows = w.times(e, w.width), w.times(e, size * w.width)
        shared = w.load(w.at(common, own, g), 0)

        def row(r: ir.Value, total: list[ir.Value]) -> list[ir.Value]:
            here = w.at(x, rows, w.times(r, w.width), g)
            y = w.elu(w.b.fadd(w.load(here, 0), shared))
            w.store(y, here, 0)
            return [w.b.fadd(total[0], y)]

        total = w.loop(size, 1, [w.constant(0.0)], row)[0]
        w.store(w.b.fmul(total, w.constant(1.0 / size)), w.at(mean, own, g), 0)

    w.tiles(n, 1, column)
    w.b.ret_void()


def _write_backward(w: Writer, size: int, last: bool) -> None:
    n, gradient, x, common, total = w.function.args
    zero, one = w.constant(0.0), w.constant(1.0)

    def column(e: ir.Value, g: ir.Value) -> None:
        own, rows = w.times(e, w.width), w.times(e, size * w.width)
        shared = w.load(w.at(common, own, g), 0)

        def row(r: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
            step = w.times(r, w.width)
            y, here = w.load(w.at(x, rows, step, g), 0), w.at(gradient, rows, step, g)
            change = shared if last else w.b.fadd(w.load(here, 0), shared)
            # derivative of ELU at result y: 1 above zero, otherwise e^x = y + 1
            slope = w.b.select(w.b.fcmp_ordered(">", y, zero), one, w.b.fadd(y, one))
            change = w.b.fmul(change, slope)
            w.store(change, here, 0)
            return [w.b.fadd(sums[0], change)]

        w.store(w.loop(size, 1, [zero], row)[0], w.at(total, own, g), 0)

    w.tiles(n, 1, column)
    w.b.ret_void()
