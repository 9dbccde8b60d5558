"""Write the network's instructions for LLVM and compile them for the processor at hand."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from ocspark.deepsets.vectors import I32, I64, POINTER, Shape, Writer

LAYERS, STAR = 5, 5
#: Evaluations that pass a layer together: their hidden values stay in a core's L2 cache.
_BLOCK = 24
#: Evaluations whose Λ and head products are made together; divides the block.
_TOGETHER = 4
_LOCK = Lock()
#: The two logits stand in rows of this many floats, the longest vector.
_PADDED = 16


def weight_shapes(width: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights in the order in which ``network`` takes them."""
    parts: dict[str, tuple[int, ...]] = {"bias": (width,), "star": (STAR, width)}
    for i in range(1, LAYERS):
        parts |= {f"lambda{i}": (width, width), f"bias{i}": (width,), f"gamma{i}": (width, width)}
    parts |= {"head": (width, width), "head_bias": (width,)}
    return parts | {"out": (width, _PADDED), "out_bias": (_PADDED,)}


def scratch_size(width: int, size: int) -> int:
    """Return how many floats of scratch space ``network`` needs."""
    return (2 * size + 2) * _BLOCK * width


def instruction_set() -> str:
    """Return the processor's widest vector instructions: AVX512, AVX2, AVX, or baseline."""
    features = llvm.get_host_cpu_features()
    names = {"avx512f": "AVX512", "avx2": "AVX2", "avx": "AVX"}
    return next((name for feature, name in names.items() if features.get(feature)), "baseline")


def target() -> tuple[llvm.TargetMachine, Shape]:
    """Return a compiler for this processor, and the size of tiles that suits it.

    The machine code takes the compiler over, so each module needs one of its own.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=3
    )
    if features.get("avx512f"):
        return machine, Shape(16, 10, 2)
    if features.get("avx"):
        return machine, Shape(8, 5, 2)
    return machine, Shape(4, 10, 2)


@dataclass(frozen=True)
class Compiled:
    """The compiled function ``network``.

    Attributes
    ----------
    call : callable
        Takes a number of evaluations and the addresses of six arrays (`_write_network`).
    engine : ExecutionEngine
        Owner of the machine code, which lives as long as this object.
    """

    call: Any
    engine: llvm.ExecutionEngine


def compiled(width: int, size: int, shape: Shape | None = None) -> Compiled:
    """Return ``network``, compiled (half a second) when a process first asks for it.

    Parameters
    ----------
    width : int
        Hidden width.
    size : int
        Of the support sets.
    shape : Shape, optional
        Of tiles; by default what suits the processor. It changes no bit.
    """
    with _LOCK:  # threads share what the first compiles
        return _compile(width, size, shape)


@cache
def _compile(width: int, size: int, shape: Shape | None) -> Compiled:
    machine, own = target()
    module = ir.Module()
    module.triple = machine.triple
    _write_network(module, shape or own, width, size)
    engine = machine_code(module, machine)
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * 6)
    return Compiled(kind(engine.get_function_address("network")), engine)


def machine_code(module: ir.Module, machine: llvm.TargetMachine) -> llvm.ExecutionEngine:
    """Compile a module; return the engine, which owns the machine code."""
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(parsed, builder)
    engine = llvm.create_mcjit_compiler(parsed, machine)
    engine.finalize_object()
    return engine


def new_function(
    module: ir.Module, name: str, n_pointers: int, internal: bool = True
) -> ir.Function:
    """Declare ``void name(count, pointers…)``, whose arrays do not overlap."""
    kind = ir.FunctionType(ir.VoidType(), [I64] + [POINTER] * n_pointers)
    function = ir.Function(module, kind, name)
    if internal:
        function.linkage = "internal"
        function.attributes.add("noinline")
    for argument in function.args[1:]:
        argument.add_attribute("noalias")
    return function


def _write_entry(module: ir.Module, shape: Shape, width: int, size: int) -> ir.Function:
    """Write layer 1: the star's part is computed once, each support member's read from a table."""
    function = new_function(module, "entry", 6)
    n, star, index, table, weights, x, total = function.args
    w = Writer(function, shape, width)
    places = range(0, width, shape.lanes)

    def evaluation(e: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        chosen = w.at(index, w.times(e, size), element=I32)
        shared = [w.load(weights, p) for p in places]
        for i in range(STAR):
            value = w.spread(w.at(star, w.times(e, STAR), i))
            row = [w.load(weights, (1 + i) * width + p) for p in places]
            shared = [w.fma(value, column, s) for column, s in zip(row, shared, strict=True)]

        def member(r: ir.Value) -> ir.Value:
            number = w.b.sext(w.b.load(w.at(chosen, r, element=I32), typ=I32), I64)
            return w.at(table, w.times(number, 2 * width))

        def add_mean(r: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
            row = member(r)
            return [w.b.fadd(s, w.load(row, width + p)) for p, s in zip(places, sums, strict=True)]

        shared = w.loop(size, 1, shared, add_mean)

        def fill(r: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
            row, out = member(r), w.at(x, w.times(e, size * width), w.times(r, width))
            for i, p in enumerate(places):
                y = w.elu(w.b.fadd(w.load(row, p), shared[i]))
                w.store(y, out, p)
                sums[i] = w.b.fadd(sums[i], y)
            return sums

        sums = w.loop(size, 1, [w.constant(0.0)] * len(places), fill)
        for p, s in zip(places, sums, strict=True):
            w.store(s, w.at(total, w.times(e, width)), p)
        return []

    w.loop(n, 1, [], evaluation)
    w.b.ret_void()
    return function


def _write_linear(module: ir.Module, shape: Shape, width: int, activate: bool) -> ir.Function:
    """Write x W + b, with ELU if `activate`, for `_TOGETHER` evaluations at a time."""
    function = new_function(module, "hidden" if activate else "common", 4)
    n, x, matrix, bias, out = function.args
    w = Writer(function, shape, width)

    def tile(i: ir.Value, g: ir.Value) -> None:
        here = w.times(i, width)
        start = [[w.load(w.at(bias, g), c * shape.lanes) for c in range(shape.vectors)]] * _TOGETHER
        product = w.product(w.at(x, here), _TOGETHER, w.at(matrix, g), width, start)
        for r, row in enumerate(product):
            for c, value in enumerate(row):
                y = w.elu(value) if activate else value
                w.store(y, w.at(out, here, g), r * width + c * shape.lanes)

    w.tiles(n, _TOGETHER, tile)
    w.b.ret_void()
    return function


def _write_equivariant(module: ir.Module, shape: Shape, width: int, size: int) -> ir.Function:
    """Write Γx + common, ELU, and its sum over the set."""
    function = new_function(module, "equivariant", 5)
    n, x, gamma, common, out, total = function.args
    w = Writer(function, shape, width)
    whole, left = divmod(size, shape.rows)
    vectors = range(shape.vectors)

    def evaluation(e: ir.Value, g: ir.Value) -> None:
        own, begin = w.at(common, w.times(e, width), g), w.times(e, size * width)
        start = [w.load(own, c * shape.lanes) for c in vectors]

        def rows_of(first: ir.Value, rows: int, sums: list[ir.Value]) -> list[ir.Value]:
            product = w.product(w.at(x, first), rows, w.at(gamma, g), width, [start] * rows)
            for r, row in enumerate(product):
                for c, value in enumerate(row):
                    y = w.elu(value)
                    w.store(y, w.at(out, first, g), r * width + c * shape.lanes)
                    sums[c] = w.b.fadd(sums[c], y)
            return sums

        def next_rows(t: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
            return rows_of(w.b.add(begin, w.times(t, shape.rows * width)), shape.rows, sums)

        sums = [w.constant(0.0)] * shape.vectors
        if whole:
            sums = w.loop(whole, 1, sums, next_rows)
        if left:
            first = w.b.add(begin, w.integer(whole * shape.rows * width))
            sums = rows_of(first, left, list(sums))
        for c in vectors:
            w.store(sums[c], w.at(total, w.times(e, width), g), c * shape.lanes)

    w.tiles(n, 1, evaluation)
    w.b.ret_void()
    return function


def _write_exit(module: ir.Module, shape: Shape, width: int) -> ir.Function:
    """Write the last linear layer, which gives two logits."""
    function = new_function(module, "exit", 4)
    n, x, matrix, bias, logits = function.args
    w = Writer(function, shape, width)

    def evaluation(e: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        start = [[w.load(bias, 0)]]
        pair = w.product(w.at(x, w.times(e, width)), 1, matrix, _PADDED, start)[0][0]
        for i in range(2):
            value = w.b.extract_element(pair, ir.Constant(I32, i))
            w.b.store(value, w.at(logits, w.times(e, 2), i))
        return []

    w.loop(n, 1, [], evaluation)
    w.b.ret_void()
    return function


def _write_network(module: ir.Module, shape: Shape, width: int, size: int) -> None:
    """Write ``network(n, star, index, table, weights, scratch, logits)``: all layers, by blocks."""
    entry = _write_entry(module, shape, width, size)
    linear, hidden = (_write_linear(module, shape, width, elu) for elu in (False, True))
    equivariant = _write_equivariant(module, shape, width, size)
    leave = _write_exit(module, shape, width)
    function = new_function(module, "network", 6, internal=False)
    n, star, index, table, weights, scratch, logits = function.args
    w = Writer(function, shape, width)
    shapes = weight_shapes(width)
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    begins = np.cumsum([0, *sizes])
    part = {name: w.at(weights, int(b)) for name, b in zip(shapes, begins[:-1], strict=True)}
    hidden_values = _BLOCK * size * width
    buffers = [w.at(scratch, 0), w.at(scratch, hidden_values)]
    total, common = (w.at(scratch, 2 * hidden_values + i * _BLOCK * width) for i in range(2))

    def block(begin: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
        rest, most = w.b.sub(n, begin), w.integer(_BLOCK)
        count = w.b.select(w.b.icmp_signed("<", rest, most), rest, most)
        stars = w.at(star, w.times(begin, STAR))
        sets = w.at(index, w.times(begin, size), element=I32)
        x, y = buffers
        w.b.call(entry, [count, stars, sets, table, part["bias"], x, total])
        for i in range(1, LAYERS):
            w.b.call(linear, [count, total, part[f"lambda{i}"], part[f"bias{i}"], common])
            w.b.call(equivariant, [count, x, part[f"gamma{i}"], common, y, total])
            x, y = y, x
        w.b.call(hidden, [count, total, part["head"], part["head_bias"], common])
        out = w.at(logits, w.times(begin, 2))
        w.b.call(leave, [count, common, part["out"], part["out_bias"], out])
        return []

    w.loop(n, _BLOCK, [], block)
    w.b.ret_void()
