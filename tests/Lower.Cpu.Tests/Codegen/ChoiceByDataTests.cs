using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Lower.Cpu.Codegen;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>
/// What data choose is read without a mask where it is there in any case, and with one where it need not be: beyond a border, in the
/// rest of a vector, of rows of any length.
/// </summary>
public class ChoiceByDataTests
{
    [SkippableTheory]
    [InlineData(128, 1)]
    [InlineData(256, 1)]
    [InlineData(512, 1)]
    [InlineData(512, 2)]
    public void Both_sides_are_right_and_nothing_beyond_is_touched(int bits, int threads)
    {
        var backend = Widths.Backend(bits, threads);
        foreach (var type in (DType[])[DType.Float32, DType.Float64, DType.Int32, DType.Float16])
        {
            int lanes = backend.Target.Lanes(type);
            foreach (int n in (int[])[1, lanes - 1, lanes, lanes + 1, 4 * lanes, 5 * lanes + 3, 17 * lanes])
            {
                if (n < 1)
                    continue;
                var algorithm = Chosen(3, n, type);
                var inputs = GuardedMemory.AsStored(Problem.Of(algorithm).MakeInputs(n));
                using var kernel = backend.Compile(DefaultSchedule.For(algorithm, backend.Target));
                var wrong = Execution.Wrong(
                    algorithm,
                    Execution.Run(kernel, algorithm, inputs),
                    Evaluator.RunWithBounds(algorithm, inputs)
                );
                Assert.True(wrong is null, $"{bits} bits, {type}, {n}: {wrong}");
            }
        }
    }

    [Fact]
    public void Only_what_is_there_in_any_case_is_in_range()
    {
        var algorithm = Chosen(3, 40, DType.Float32);
        var nest = InitialNest.Of(algorithm);
        nest = Picograd.Schedules.Passes.LowerBlocks.Run(nest);
        var inRange = LoadsInRange.Of(nest);
        var (own, other, before) = (0, 0, 0);
        foreach (var load in nest.Body.Nodes().OfType<Store>().SelectMany(s => s.Value.Loads()))
        {
            bool isBefore = load.Indices[^1] is not Var;
            Assert.Equal(!isBefore, inRange.Contains(load));
            if (isBefore)
                before++;
            else if (load.Buffer.Name == "X")
                own++;
            else
                other++;
        }
        Assert.True(own > 0 && other > 0 && before > 0);
    }

    // Of a row: by the sign of X twice X or Z, and the element before where there is one.
    private static Algorithm Chosen(int rows, int n, DType type)
    {
        var (i, j) = (new Axis("i", rows), new Axis("j", n));
        var g = new AlgorithmBuilder("chosen");
        var (x, z) = (g.Input("X", type, rows, n), g.Input("Z", type, rows, n));
        Expr At(Algorithms.Buffer b, Expr column) =>
            type.IsStorage() ? Op.Cast(DType.Float32, b[i.Var, column]) : b[i.Var, column];
        var zero = Op.Const(0, type.Compute());
        var value = Op.Select(
            Op.Lt(At(x, j.Var), zero),
            At(x, j.Var) + At(x, j.Var),
            Op.Select(
                Op.Lt(At(z, j.Var), zero),
                Op.Select(Op.Lt(0, j.Var), At(x, j.Var - 1), zero),
                At(z, j.Var) - At(x, j.Var)
            )
        );
        return g.Build(g.Stage("Y", [i, j], type.IsStorage() ? Op.Cast(type, value) : value));
    }
}
