using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;

namespace Picograd.Tests.Interpret;

/// <summary>Small algorithms and hand-built nests on them.</summary>
internal static class Nests
{
    public static Algorithm Matmul(long m = 4, long n = 5, long k = 3)
    {
        var g = new AlgorithmBuilder("matmul");
        var a = g.Input("A", DType.Float32, m, k);
        var b = g.Input("B", DType.Float32, k, n);
        var (i, j, r) = (new Axis("m", m), new Axis("n", n), new Axis("k", k));
        return g.Build(g.Stage("C", [i, j], AlgorithmBuilder.Sum(r, a[i, r] * b[r, j])));
    }

    /// <summary>B[i] = A[i] · 2, i in 0..n.</summary>
    public static Algorithm Double(long n = 8)
    {
        var g = new AlgorithmBuilder("double");
        var a = g.Input("A", DType.Float32, n);
        var i = new Axis("i", n);
        return g.Build(g.Stage("B", [i], a[i] * 2));
    }

    /// <summary>The same program for an algorithm with another body.</summary>
    public static LoopNest With(Algorithm algorithm, Stmt body, params Buffer[] intermediates) =>
        new(algorithm, body, [.. intermediates], ImmutableDictionary<string, string>.Empty, []);

    public static For Loop(Var v, long extent, Stmt body, LoopKind kind = LoopKind.Serial) =>
        new(v, extent, kind, body);

    public static Store Store(Buffer buffer, Expr index, Expr value) => new(buffer, [index], value);

    public static HostArray Ramp(Buffer buffer, IReadOnlyDictionary<string, long>? parameters = null)
    {
        var array = HostArray.For(buffer, parameters);
        for (int i = 0; i < array.Count; i++)
            array[i] = i + 1;
        return array;
    }

    /// <summary>Runs on ramps; returns the first output.</summary>
    public static double[] Run(
        LoopNest nest,
        InterpreterOptions? options = null,
        IReadOnlyDictionary<string, long>? parameters = null
    ) =>
        Interpreter
            .Run(nest, nest.Algorithm.Inputs.ToDictionary(b => b.Name, b => Ramp(b, parameters)), parameters, options)[
                0
            ]
            .ToDoubles();
}
