using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Storage;

/// <summary>Small algorithms with intermediates, and the checks that the storage tests share.</summary>
internal static class StorageFixtures
{
    /// <summary>A.c = A (a copy to pack), then C = A.c · B.</summary>
    public static Algorithm CopyThenMatmul(long m, long n, long k)
    {
        var g = new AlgorithmBuilder("copy_matmul");
        var a = g.Input("A", DType.Float32, m, k);
        var b = g.Input("B", DType.Float32, k, n);
        var (am, ak) = (new Axis("m", m), new Axis("k", k));
        var copy = g.Stage("A.c", [am, ak], a[am, ak]);
        var (cm, cn, ck) = (new Axis("m", m), new Axis("n", n), new Axis("k", k));
        return g.Build(g.Stage("C", [cm, cn], AlgorithmBuilder.Sum(ck, copy[cm, ck] * b[ck, cn])));
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

    /// <summary>S = A · 2, T = exp(S) with rows shifted by one (zero before the first), C = column sums of T.</summary>
    public static Algorithm ScaleShiftSum(long m, long n)
    {
        var g = new AlgorithmBuilder("scale_shift_sum");
        var a = g.Input("A", DType.Float32, m, n);
        var (sm, sn) = (new Axis("m", m), new Axis("n", n));
        var s = g.Stage("S", [sm, sn], a[sm, sn] * 2f);
        var (tm, tn) = (new Axis("m", m), new Axis("n", n));
        var t = g.Stage("T", [tm, tn], Op.Select(Op.Le(1, tm), Op.Exp(s[tm.Var - 1, tn]), 0f));
        var (cn, cm) = (new Axis("n", n), new Axis("m", m));
        return g.Build(g.Stage("C", [cn], AlgorithmBuilder.Sum(cm, t[cm, cn])));
    }

    /// <summary>The nest as text with plain line ends, to compare with a raw string.</summary>
    public static string Text(LoopNest nest) => nest.ToString().ReplaceLineEndings("\n").TrimEnd();

    public static void Shows(LoopNest nest, string expected) =>
        Assert.Equal(expected.ReplaceLineEndings("\n").TrimEnd(), Text(nest));

    /// <summary>Applies a step that must be refused; checks the reason and what is said to be legal.</summary>
    public static ScheduleException Refused(Schedule schedule, string step, string reason, string? legal = null)
    {
        var before = schedule.Nest;
        var refusal = Assert.Throws<ScheduleException>(() => schedule.Apply(Step.Parse(step)));
        Assert.Contains(reason, refusal.Reason, StringComparison.Ordinal);
        if (legal is not null)
            Assert.Contains(legal, refusal.Legal, StringComparison.Ordinal);
        Assert.Same(before, schedule.Nest);
        return refusal;
    }

    /// <summary>
    /// What lowering does to a block: bindings in the place of axes, simplified with the ranges of the loops around.
    /// </summary>
    public static Block Lowered(LoopNest nest, string name)
    {
        var block = nest.Block(name);
        var simplifier = new Simplifier(nest.Ranges(nest.LoopsAround(block)));
        return block with
        {
            Indices = [.. block.Indices.Select(i => simplifier.Visit(i.Substitute(block.Bindings)))],
            Values = [.. block.Values.Select(v => simplifier.Visit(v.Substitute(block.Bindings)))],
        };
    }

    /// <summary>
    /// Runs the nest in the interpreter, all sanitizers on, on random inputs (integers below 4): each output element must lie within the
    /// evaluator's bound, for each seed.
    /// </summary>
    public static void Agrees(LoopNest nest, IReadOnlyDictionary<string, long>? parameters = null)
    {
        var interpreter = new Interpreter(nest);
        for (int seed = 1; seed <= 2; seed++)
        {
            var random = new Random(seed);
            var arguments = nest.Algorithm.Arguments.Select(b => HostArray.For(b, parameters)).ToArray();
            var inputs = new Dictionary<Buffer, NDArray>();
            foreach (var (buffer, array) in nest.Algorithm.Inputs.Zip(arguments))
            {
                for (long i = 0; i < array.Count; i++)
                    array[i] = buffer.Type.IsFloat() ? random.NextDouble() * 2 - 1 : random.Next(4);
                double[] elements = array.ToDoubles();
                inputs[buffer] = buffer.Type.IsFloat()
                    ? NDArray.Of(buffer.Type, array.Shape, elements)
                    : NDArray.Of(buffer.Type, array.Shape, Array.ConvertAll(elements, e => (long)e));
            }
            interpreter.Execute(arguments, parameters);
            var expected = Evaluator.RunWithBounds(nest.Algorithm, inputs, parameters);
            foreach (var (buffer, array) in nest.Algorithm.Arguments.Zip(arguments).Skip(nest.Algorithm.Inputs.Length))
            {
                for (int i = 0; i < array.Count; i++)
                    Assert.True(
                        expected[buffer].Accepts(i, array[i]),
                        $"seed {seed}: {buffer.Name}[{i}] is {array[i]}, expected {expected[buffer].Value.At(i)}\n{nest}"
                    );
            }
        }
    }

    /// <summary>Swaps a loop with the one directly below it.</summary>
    public static LoopNest Interchange(LoopNest nest, string outer)
    {
        var above = nest.Loop(outer);
        var below = Assert.IsType<For>(above.Body);
        return nest.Replace(above, below with { Body = above with { Body = below.Body } });
    }

    /// <summary>Puts an intermediate into another scope.</summary>
    public static LoopNest InScope(LoopNest nest, string name, Scope scope)
    {
        var old = nest.Buffer(name);
        var moved = old.With(scope: scope);
        return nest with
        {
            Body = nest.Body.ReplaceBuffer(old, moved),
            Intermediates = nest.Intermediates.Replace(old, moved),
        };
    }

    /// <summary>Sets the outputs of a sum to zero in a nest of its own, before the root that holds the block.</summary>
    public static LoopNest InitFirst(LoopNest nest, string name)
    {
        var block = nest.Block(name);
        var root = nest.LoopsAround(block)[0];
        var axes = block.SpatialAxes.Select(a =>
            (Axis: a, Own: new Var(a.Name), Loop: new Var($"{name}.init.{a.Name}"))
        );
        var list = axes.ToList();
        Stmt init = new Block(
            name + ".init",
            [.. list.Select(x => x.Axis with { Var = x.Own, Binding = x.Loop })],
            Op.True,
            block.Outputs,
            [.. block.Indices.Select(i => i.Substitute(list.ToDictionary(x => x.Axis.Var, x => (Expr)x.Own)))],
            [.. block.Reducer!.Identity]
        );
        foreach (var x in Enumerable.Reverse(list))
            init = new For(x.Loop, x.Axis.Extent, LoopKind.Serial, init);
        var update = root.Replace(block, block with { Init = false });
        return nest.Replace(root, Seq.Of(init, update));
    }
}
