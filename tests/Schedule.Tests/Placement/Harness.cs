using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Xunit;

namespace Picograd.Tests.Placement;

/// <summary>What the placement tests share: algorithms, and the comparison of a nest with the evaluator.</summary>
internal static class Harness
{
    public static Algorithm Matmul(Expr m, Expr n, Expr k)
    {
        var g = new AlgorithmBuilder("matmul");
        var a = g.Input("A", DType.Float32, m, k);
        var b = g.Input("B", DType.Float32, k, n);
        var (i, j, r) = (new Axis("m", m), new Axis("n", n), new Axis("k", k));
        return g.Build(g.Stage("C", [i, j], AlgorithmBuilder.Sum(r, a[i, r] * b[r, j])));
    }

    /// <summary>S = A · B, then C = tanh(S + bias).</summary>
    public static Algorithm MatmulBiasTanh(long m, long n, long k)
    {
        var g = new AlgorithmBuilder("matmul_bias_tanh");
        var a = g.Input("A", DType.Float32, m, k);
        var b = g.Input("B", DType.Float32, k, n);
        var bias = g.Input("bias", DType.Float32, n);
        var (sm, sn, sk) = (new Axis("m", m), new Axis("n", n), new Axis("k", k));
        var s = g.Stage("S", [sm, sn], AlgorithmBuilder.Sum(sk, a[sm, sk] * b[sk, sn]));
        var (cm, cn) = (new Axis("m", m), new Axis("n", n));
        return g.Build(g.Stage("C", [cm, cn], Op.Tanh(s[cm, cn] + bias[cn])));
    }

    /// <summary>max, exp(x − max), sum, quotient, over the rows of x.</summary>
    public static Algorithm Softmax(long rows, long columns)
    {
        var g = new AlgorithmBuilder("softmax");
        var x = g.Input("x", DType.Float32, rows, columns);
        Axis M() => new("m", rows);
        Axis N() => new("n", columns);
        var (m1, n1) = (M(), N());
        var max = g.Stage("max", [m1], AlgorithmBuilder.Max([n1], x[m1, n1]));
        var (m2, n2) = (M(), N());
        var e = g.Stage("e", [m2, n2], Op.Exp(x[m2, n2] - max[m2]));
        var (m3, n3) = (M(), N());
        var sum = g.Stage("sum", [m3], AlgorithmBuilder.Sum(n3, e[m3, n3]));
        var (m4, n4) = (M(), N());
        return g.Build(g.Stage("y", [m4, n4], e[m4, n4] / sum[m4]));
    }

    /// <summary>b[i] = a[i] + a[i+1] + a[i+2]; c[i] = b[i] · b[i+1] − b[i+2], n elements of c.</summary>
    public static Algorithm Stencil(long n)
    {
        var g = new AlgorithmBuilder("stencil");
        var a = g.Input("a", DType.Float32, n + 4);
        var i = new Axis("i", n + 2);
        var b = g.Stage("b", [i], a[i] + a[i.Var + 1] + a[i.Var + 2]);
        var j = new Axis("i", n);
        return g.Build(g.Stage("c", [j], b[j] * b[j.Var + 1] - b[j.Var + 2]));
    }

    /// <summary>As Stencil with zero outside of 0..n: b reads a[i−1], a[i], a[i+1], and c so b.</summary>
    public static Algorithm PaddedStencil(long n)
    {
        var g = new AlgorithmBuilder("padded_stencil");
        var a = g.Input("a", DType.Float32, n);
        Expr At(Algorithms.Buffer x, Expr i) => Op.Select(Op.And(Op.Le(0, i), Op.Lt(i, n)), x[i], 0f);
        var i = new Axis("i", n);
        var b = g.Stage("b", [i], At(a, i.Var - 1) + At(a, i) + At(a, i.Var + 1));
        var j = new Axis("i", n);
        return g.Build(g.Stage("c", [j], At(b, j.Var - 1) * At(b, j.Var + 1) - At(b, j)));
    }

    public static Algorithm RowSum(long rows, long columns)
    {
        var g = new AlgorithmBuilder("rowsum");
        var a = g.Input("A", DType.Float32, rows, columns);
        var (m, k) = (new Axis("m", rows), new Axis("k", columns));
        return g.Build(g.Stage("C", [m], AlgorithmBuilder.Sum(k, a[m, k])));
    }

    public static Algorithm RowArgMax(long rows, long columns)
    {
        var g = new AlgorithmBuilder("argmax");
        var a = g.Input("A", DType.Float32, rows, columns);
        var (m, k) = (new Axis("m", rows), new Axis("k", columns));
        var outputs = g.TupleStage("C", [m], AlgorithmBuilder.ArgMax(k, a[m, k]));
        return g.Build([.. outputs]);
    }

    /// <summary>
    /// Interprets the nest before and after storage placement, all sanitizers on, and compares with the evaluator.
    /// </summary>
    /// <returns>The nest after storage placement.</returns>
    public static LoopNest Correct(LoopNest nest, IReadOnlyDictionary<string, long>? parameters = null)
    {
        var inputs = new Dictionary<Algorithms.Buffer, NDArray>();
        var arrays = new Dictionary<string, HostArray>();
        var random = new Random(1234);
        foreach (var input in nest.Algorithm.Inputs)
        {
            var array = HostArray.For(input, parameters);
            for (int i = 0; i < array.Count; i++)
                array[i] = Math.Round(random.NextDouble() * 8 - 4, 2);
            arrays[input.Name] = array;
            inputs[input] = NDArray.Of(input.Type, array.Shape, array.ToDoubles());
        }
        var expected = Evaluator.RunWithBounds(nest.Algorithm, inputs, parameters);
        var placed = StoragePlacement.Run(nest);
        Compare(nest);
        Compare(placed);
        return placed;

        void Compare(LoopNest program)
        {
            HostArray[] outputs;
            try
            {
                outputs = Interpreter.Run(program, arrays, parameters);
            }
            catch (SanitizerException e)
            {
                throw new InvalidOperationException($"{e.Message}\n{program}", e);
            }
            for (int o = 0; o < outputs.Length; o++)
            {
                var right = expected[nest.Algorithm.Outputs[o]];
                for (int i = 0; i < outputs[o].Count; i++)
                    Assert.True(
                        right.Accepts(i, outputs[o][i]),
                        $"{nest.Algorithm.Outputs[o].Name} at {i}: {outputs[o][i]}, not {right.Value.At(i)}\n{program}"
                    );
            }
        }
    }

    /// <summary>The Allocated buffers of a placed nest by name, as printed: shape and scope.</summary>
    public static string Allocated(LoopNest placed, BufferRef buffer)
    {
        var a = placed.Body.Nodes().OfType<Allocate>().Single(x => x.Buffer.Name == buffer.Name);
        string around = string.Join(" ", placed.LoopsAround(a).Select(l => l.Name));
        return $"[{string.Join(", ", a.Buffer.Shape)}] {a.Buffer.Scope.ToString().ToLowerInvariant()} in {(around.Length == 0 ? "-" : around)}";
    }

    /// <summary>A schedule on the same nest with the loops of one perfect nest in another order.</summary>
    public static Schedule Reordered(Schedule schedule, params LoopRef[] order)
    {
        var nest = schedule.Nest;
        var loops = order.Select(l => nest.Loop(l)).ToList();
        var outermost = nest.Loops.First(loops.Contains);
        Stmt inner = outermost;
        while (inner is For f && loops.Any(l => l.Var == f.Var))
            inner = f.Body;
        Stmt body = Enumerable.Reverse(loops).Aggregate(inner, (s, l) => l with { Body = s });
        return new Schedule(nest.Replace(outermost, body));
    }

    public static void Shows(LoopNest nest, string expected) =>
        Assert.Equal(expected.ReplaceLineEndings("\n").TrimEnd(), nest.ToString().ReplaceLineEndings("\n").TrimEnd());

    /// <summary>Applies a step that must be refused, and checks the reason and what is said to be legal.</summary>
    public static void Refused(Schedule schedule, string step, string reason, string? legal = null)
    {
        var before = schedule.Nest;
        var refusal = Assert.Throws<ScheduleException>(() => schedule.Apply(Step.Parse(step)));
        Assert.Contains(reason, refusal.Reason, StringComparison.Ordinal);
        if (legal is not null)
            Assert.Contains(legal, refusal.Legal ?? "", StringComparison.Ordinal);
        Assert.Same(before, schedule.Nest);
    }
}
