using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>Programs at the edges of what vectors and shared values may do, each against the evaluator.</summary>
public class HazardTests
{
    private const int N = 16;

    public static TheoryData<int, bool> Ways()
    {
        var data = new TheoryData<int, bool>();
        foreach (int bits in Widths.All)
        {
            data.Add(bits, false);
            data.Add(bits, true);
        }
        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Ways))]
    public void The_second_operand_of_and_or_is_not_loaded_where_the_first_decides(int bits, bool vector)
    {
        var g = new AlgorithmBuilder("lazy");
        var a = g.Input("a", DType.Float32, 5);
        var far = g.Input("far", DType.Int64, 1);
        var i = new Axis("i", N);
        // Far outside of anything mapped.
        var place = i + far[0];
        var both = g.Stage("both", [i], Op.Select((place < 5) & (Op.Lt(0f, a[place])), (Expr)1f, 2f));
        var either = g.Stage("either", [i], Op.Select((place >= 5) | Op.Lt(0f, a[place]), (Expr)1f, 2f));
        var inputs = new Dictionary<Buffer, NDArray>
        {
            [a] = NDArray.Of([5], [1f, -1, 1, -1, 1]),
            [far] = NDArray.Of(DType.Int64, [1], [1L << 44]),
        };
        Check(g.Build(both, either), inputs, bits, vector);
    }

    [SkippableTheory]
    [MemberData(nameof(Ways))]
    public void Zeros_of_both_signs_stay_apart(int bits, bool vector)
    {
        var g = new AlgorithmBuilder("zeros");
        var a = g.Input("a", DType.Float32, N);
        var i = new Axis("i", N);
        Expr minus = new FloatImm(-0.0, DType.Float32);
        var chosen = g.Stage("chosen", [i], Op.Select(Op.Lt(0f, a[i]), (Expr)0f, minus));
        var signed = g.Stage("signed", [i], 1f / Op.Max(a[i] * 0f, minus));
        var shared = g.Stage("shared", [i], 1f / (a[i] + minus) + 1f / (a[i] * 0f + 0f));
        var algorithm = g.Build(chosen, signed, shared);
        var inputs = new Dictionary<Buffer, NDArray>
        {
            [a] = NDArray.Of([N], [.. Enumerable.Range(0, N).Select(x => x % 2 == 0 ? 1f : -1f)]),
        };
        var expected = Evaluator.Run(algorithm, inputs);
        using var kernel = Widths.Backend(bits).Compile(Nest(algorithm, vector));
        var actual = Execution.Run(kernel, algorithm, inputs);
        for (int o = 0; o < actual.Length; o++)
        for (int x = 0; x < N; x++)
            Assert.Equal(
                BitConverter.DoubleToInt64Bits(expected[algorithm.Outputs[o]].Doubles[x]),
                BitConverter.DoubleToInt64Bits(actual[o].Doubles[x])
            );
        Assert.True(double.IsNegative(actual[0].Doubles[1]));
        Assert.False(double.IsNegative(actual[0].Doubles[0]));
    }

    [SkippableTheory]
    [MemberData(nameof(Ways))]
    public void Comparisons_with_large_steps_do_not_overflow_a_lane(int bits, bool vector)
    {
        var g = new AlgorithmBuilder("steps");
        var (j, i) = (new Axis("j", 3), new Axis("i", N));
        var y = g.Stage("y", [j, i], Op.Select(i.Var * 268_435_457 + j < 1_000_000_000, (Expr)1f, 0f));
        Check(g.Build(y), [], bits, vector);
    }

    [SkippableTheory]
    [MemberData(nameof(Ways))]
    public void Large_indices_become_floats_unharmed(int bits, bool vector)
    {
        var g = new AlgorithmBuilder("large");
        var start = g.Input("start", DType.Int64, 1);
        var i = new Axis("i", N);
        var constant = g.Stage("constant", [i], Op.Cast(DType.Float32, i.Var + 5_000_000_000));
        var steep = g.Stage("steep", [i], Op.Cast(DType.Float32, i.Var * 1_000_000_000));
        var loaded = g.Stage("loaded", [i], Op.Cast(DType.Float32, i.Var + start[0]));
        var inputs = new Dictionary<Buffer, NDArray> { [start] = NDArray.Of(DType.Int64, [1], [7_000_000_000L]) };
        Check(g.Build(constant, steep, loaded), inputs, bits, vector);
    }

    [SkippableTheory]
    [MemberData(nameof(Ways))]
    public void Integers_wrap(int bits, bool vector)
    {
        var g = new AlgorithmBuilder("wrap");
        var a = g.Input("a", DType.Int32, N);
        var b = g.Input("b", DType.UInt8, N);
        var i = new Axis("i", N);
        var abs = g.Stage("abs", [i], Op.Abs(a[i]));
        var neg = g.Stage("neg", [i], Op.Cast(DType.Int32, -b[i]));
        var shl = g.Stage("shl", [i], Op.Cast(DType.Int32, b[i] << new IntImm(3, DType.UInt8)));
        var inputs = new Dictionary<Buffer, NDArray>
        {
            [a] = NDArray.Of(DType.Int32, [N], [.. Enumerable.Range(0, N).Select(x => (long)int.MinValue + x)]),
            [b] = NDArray.Of(DType.UInt8, [N], [.. Enumerable.Range(0, N).Select(x => 17L * x)]),
        };
        Check(g.Build(abs, neg, shl), inputs, bits, vector);
    }

    [SkippableTheory]
    [MemberData(nameof(Ways))]
    public void A_division_that_is_not_chosen_does_not_fault(int bits, bool vector)
    {
        var g = new AlgorithmBuilder("divide");
        var a = g.Input("a", DType.Int32, N);
        var b = g.Input("b", DType.Int32, N);
        var i = new Axis("i", N);
        var quotient = a[i] / b[i];
        var zero = new IntImm(0, DType.Int32);
        var y = g.Stage("y", [i], a[i] + Op.Select(Op.Ne(b[i], zero), quotient * quotient, zero));
        var inputs = new Dictionary<Buffer, NDArray>
        {
            [a] = NDArray.Of(DType.Int32, [N], [.. Enumerable.Range(1, N).Select(x => (long)x)]),
            [b] = NDArray.Of(DType.Int32, [N], [.. Enumerable.Range(0, N).Select(x => (long)x % 3)]),
        };
        Check(g.Build(y), inputs, bits, vector);
    }

    [SkippableTheory]
    [MemberData(nameof(Ways))]
    public void A_short_vector_keeps_the_other_lanes_of_a_register(int bits, bool vector)
    {
        var g = new AlgorithmBuilder("short");
        var a = g.Input("a", DType.Float32, N);
        var i = new Axis("i", N);
        var y = g.Stage("y", [i], Op.Select(i.Var < 5, a[i] + 1f, a[i]));
        var algorithm = g.Build(y);
        var r = new Buffer("r", DType.Float32, [N], Scope.Register);
        For Loop(string name, long extent, Func<Expr, Stmt> body)
        {
            var v = new Var(name);
            return new For(v, extent, vector ? LoopKind.Vector : LoopKind.Serial, body(v));
        }
        var nest = InitialNest.Of(algorithm) with
        {
            Body = new Allocate(
                r,
                Seq.Of(
                    Loop("u", N, v => new Store(r, [v], a[v])),
                    Loop("v", 5, v => new Store(r, [v], r[v] + 1f)),
                    Loop("w", N, v => new Store(y, [v], r[v]))
                )
            ),
        };
        var inputs = new Dictionary<Buffer, NDArray>
        {
            [a] = NDArray.Of([N], [.. Enumerable.Range(0, N).Select(x => (float)x)]),
        };
        Check(algorithm, inputs, bits, nest);
    }

    [SkippableTheory]
    [MemberData(nameof(Ways))]
    public void Reductions_over_nothing_give_the_identity(int bits, bool vector)
    {
        foreach (long n in new[] { 0L, 1, 7 })
        {
            var g = new AlgorithmBuilder("nothing");
            var parameter = g.Parameter("n", max: 8, min: 0);
            var a = g.Input("a", DType.Float32, N, parameter);
            var (i, k) = (new Axis("i", N), new Axis("k", parameter));
            var y = g.Stage("y", [i], AlgorithmBuilder.Sum(k, a[i, k]));
            var z = g.Stage("z", [i], y[i] + 1f);
            var algorithm = g.Build(z);
            var inputs = new Dictionary<Buffer, NDArray>
            {
                [a] = NDArray.Of([N, n], [.. Enumerable.Range(0, (int)(N * n)).Select(x => (float)x)]),
            };
            var parameters = new Dictionary<string, long> { ["n"] = n };
            var expected = Evaluator.RunWithBounds(algorithm, inputs, parameters);
            var nest = InitialNest.Of(algorithm);
            if (vector)
            {
                nest = nest with
                {
                    Body = nest.Body.MapUp(s =>
                        s is For { ConstantExtent: not null } f && !f.Body.Nodes().Any(n => n is For)
                            ? f with
                            {
                                Kind = LoopKind.Vector,
                            }
                            : s
                    ),
                };
            }
            using var kernel = Widths.Backend(bits).Compile(nest);
            Assert.Null(Execution.Wrong(algorithm, Execution.Run(kernel, algorithm, inputs, parameters), expected));
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Ways))]
    public void A_condition_for_all_lanes_stays_behind_the_one_before_it(int bits, bool vector)
    {
        var g = new AlgorithmBuilder("order");
        var a = g.Input("a", DType.Float32, 5);
        var far = g.Input("far", DType.Int64, 1);
        var i = new Axis("i", N);
        var y = g.Stage("y", [i], Op.Select((i + far[0] < 5) & Op.Lt(0f, a[far[0]]), (Expr)1f, 0f));
        var algorithm = g.Build(y);
        var v = new Var("v");
        var nest = InitialNest.Of(algorithm) with
        {
            Body = new For(
                v,
                N,
                vector ? LoopKind.Vector : LoopKind.Serial,
                Seq.Of(new Store(y, [v], 0f), new If((v + far[0] < 5) & Op.Lt(0f, a[far[0]]), new Store(y, [v], 1f)))
            ),
        };
        foreach (long start in new[] { 1L << 44, 2 })
        {
            var inputs = new Dictionary<Buffer, NDArray>
            {
                [a] = NDArray.Of([5], [1f, 1, 1, 1, 1]),
                [far] = NDArray.Of(DType.Int64, [1], [start]),
            };
            Check(algorithm, inputs, bits, nest);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Ways))]
    public void Reducing_nan_and_infinities(int bits, bool vector)
    {
        var g = new AlgorithmBuilder("nan");
        var a = g.Input("a", DType.Float32, 9, N);
        var (i, k) = (new Axis("i", N), new Axis("k", 9));
        var most = g.Stage("most", [i], AlgorithmBuilder.Max([k], a[k, i]));
        var least = g.Stage("least", [i], AlgorithmBuilder.Min([k], a[k, i]));
        var algorithm = g.Build(most, least);
        var inputs = new Dictionary<Buffer, NDArray>
        {
            [a] = NDArray.Of(
                [9, N],
                [
                    .. Enumerable
                        .Range(0, 9 * N)
                        .Select(x =>
                            x % 13 == 5 ? float.NaN
                            : x % 3 == 0 ? float.NegativeInfinity
                            : x % 7 == 0 ? float.PositiveInfinity
                            : x - 50f
                        ),
                ]
            ),
        };
        // The reduction outside, lanes inside: as vectors where asked for.
        var nest = InitialNest.Of(algorithm);
        var expected = Evaluator.Run(algorithm, inputs);
        if (vector)
            nest = nest with { Body = nest.Body.MapUp(s => s is For { Body: For } f ? Lanes(f) : s) };
        using var kernel = Widths.Backend(bits).Compile(nest);
        var actual = Execution.Run(kernel, algorithm, inputs);
        for (int o = 0; o < 2; o++)
            Assert.Equal(expected[algorithm.Outputs[o]].Doubles, actual[o].Doubles);

        static For Lanes(For outer)
        {
            var inner = (For)outer.Body;
            return inner with { Body = outer with { Kind = LoopKind.Vector, Body = inner.Body } };
        }
    }

    private static void Check(Algorithm algorithm, Dictionary<Buffer, NDArray> inputs, int bits, bool vector) =>
        Check(algorithm, inputs, bits, Nest(algorithm, vector));

    private static void Check(Algorithm algorithm, Dictionary<Buffer, NDArray> inputs, int bits, LoopNest nest)
    {
        var expected = Evaluator.RunWithBounds(algorithm, inputs);
        using var kernel = Widths.Backend(bits).Compile(nest);
        var actual = Execution.Run(kernel, algorithm, inputs);
        Assert.Null(Execution.Wrong(algorithm, actual, expected));
    }

    // The stages one after another, innermost loops as vectors.
    private static LoopNest Nest(Algorithm algorithm, bool vector)
    {
        var nest = InitialNest.Of(algorithm);
        return vector ? nest with { Body = nest.Body.MapUp(Innermost) } : nest;

        static Stmt Innermost(Stmt stmt) =>
            stmt is For f && !f.Body.Nodes().Any(n => n is For) ? f with { Kind = LoopKind.Vector } : stmt;
    }
}
