using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Picograd.Schedules.Primitives;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>Loops over tiles of a symbolic extent are cut into whole tiles and what is left.</summary>
public class SymbolicCutTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(9)]
    [InlineData(13)]
    [InlineData(16)]
    public void NothingIsLeftOfAPartThatIsNotThere(long n)
    {
        var g = new AlgorithmBuilder("part");
        var size = g.Parameter("n", max: 64, min: 2);
        var i = new Axis("i", size);
        var y = g.Stage("Y", [i], Op.Const(0, DType.Float32));
        var algorithm = g.Build(y);
        // The first n - 5 elements by tiles of four, all of them 0 before.
        var (all, tile, point) = (new Var("all"), new Var("tile"), new Var("point"));
        Expr part = (Expr)size - 5;
        Expr at = (Expr)tile * 4 + point;
        var tiles = Simplifier.Simplify(Op.CeilDiv(part, 4), algorithm.ParameterRanges);
        Stmt store = new If(Op.Lt(at, part), new Store(y, [at], Op.Const(1, DType.Float32)));
        var body = Seq.Of(
            new For(all, size, LoopKind.Serial, new Store(y, [all], Op.Const(0, DType.Float32))),
            new For(tile, tiles, LoopKind.Serial, new For(point, 4, LoopKind.Serial, store)) { Peel = true }
        );
        var nest = LoopPartition.Run(InitialNest.Of(algorithm) with { Body = body });
        // Whole tiles and what is left store 1, the first loop 0.
        Assert.Equal(3, nest.Body.Nodes().OfType<Store>().Count());

        using var kernel = new CpuBackend(CpuTarget.Detect(), 1).Generate(nest);
        var exact = algorithm.WithExtents([n]).Algorithm;
        var actual = Execution.RunOpen(kernel, exact, new Dictionary<Buffer, NDArray>(), [n])[0];
        for (int e = 0; e < n; e++)
            Assert.Equal(e < n - 5 ? 1 : 0, actual.At(e));
    }
}
