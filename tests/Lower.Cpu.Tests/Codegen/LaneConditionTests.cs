using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules.Defaults;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>
/// Conditions on the lanes of a vector that hold in all of them, in none, in the first or the last: borders of any width, and what
/// lies beyond them, in vectors that are full and in the rest of one.
/// </summary>
public class LaneConditionTests
{
    [SkippableTheory]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void Borders_are_where_they_belong(int bits)
    {
        var backend = Widths.Backend(bits);
        foreach (var type in (DType[])[DType.Float32, DType.Float64])
        {
            int lanes = backend.Target.Lanes(type);
            foreach (int n in (int[])[1, lanes - 1, lanes, lanes + 1, lanes + 2, 2 * lanes, 2 * lanes + 1])
            {
                for (int before = 0; before <= lanes + 1; before++)
                {
                    for (int behind = 0; behind <= 2; behind++)
                        Check(n, before, behind, type);
                }
            }
        }

        void Check(int n, int before, int behind, DType type)
        {
            var (i, j) = (new Axis("i", n), new Axis("j", n));
            var g = new AlgorithmBuilder("border");
            var x = g.Input("X", type, n);
            var inside = Op.And(Op.Le(before, i.Var), Op.Lt(i.Var, n - behind));
            var outside = Op.Or(Op.Lt(i.Var, before), Op.Le(n - behind, i.Var));
            var (two, three) = (Op.Const(2, type), Op.Const(3, type));
            var algorithm = g.Build(g.Stage("Y", [i], Op.Select(inside, x[i], two)), g.Stage("Z", [j], Of(j.Var)));

            Expr Of(Expr at) =>
                Op.Select(
                    outside.Substitute(new Dictionary<Var, Expr> { [i.Var] = at }),
                    three,
                    Op.Select(Op.Not(Op.Lt(at, before + 1)), x[at], two)
                );

            var s = new Picograd.Schedules.Schedule(algorithm);
            s.Vectorize("Y.i");
            s.Vectorize("Z.j");
            using var kernel = backend.Compile(s.Nest);
            var inputs = new Dictionary<Algorithms.Buffer, NDArray>
            {
                [x] = NDArray.Of(type, [n], [.. Enumerable.Range(0, n).Select(v => 10.0 + v)]),
            };
            var wrong = Execution.Wrong(
                algorithm,
                Execution.Run(kernel, algorithm, inputs),
                Evaluator.RunWithBounds(algorithm, inputs)
            );
            Assert.True(wrong is null, $"{bits} bits, {type}, {n}, {before} before, {behind} behind: {wrong}");
        }
    }

    [SkippableTheory]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void Sums_of_some_rows_compile_by_default_where_a_vector_is_left_over(int bits)
    {
        var backend = Widths.Backend(bits);
        int n = backend.Target.Lanes(DType.Float32) + 1;
        var (i, j) = (new Axis("i", 5), new Axis("j", n));
        var g = new AlgorithmBuilder("some_rows");
        var x = g.Input("X", DType.Float32, 5, n);
        var algorithm = g.Build(g.Stage("S", [], AlgorithmBuilder.Sum([i, j], x[i, j], Op.Lt(0, i.Var))));
        var inputs = GuardedMemory.AsStored(Problem.Of(algorithm).MakeInputs(1));
        using var kernel = backend.Compile(DefaultSchedule.For(algorithm, backend.Target));
        var actual = Execution.Run(kernel, algorithm, inputs);
        Assert.Null(Execution.Wrong(algorithm, actual, Evaluator.RunWithBounds(algorithm, inputs)));
    }
}
