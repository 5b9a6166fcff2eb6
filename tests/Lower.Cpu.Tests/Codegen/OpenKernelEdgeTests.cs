using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Codegen;

/// <summary>
/// One kernel of a class of shapes on several shapes of it: the smallest and largest sizes that a class has, and those around
/// them, up to classes whose kernels spread work over threads. A kernel for one shape alone gives the same bits, and so does the
/// shape's own schedule where no floats are added up.
/// </summary>
public class OpenKernelEdgeTests(ITestOutputHelper output)
{
    private const int Kernels = 4;
    private const int ShapesAKernel = 4;
    private const long MostElements = 100_000;
    private const double MostFlops = 2e6;
    private static readonly long[] Edges = [1, 2, 3, 62, 63, 64, 65, 127, 254, 255, 256, 257, 600, 1023, 1024];

    public static TheoryData<string> Operators() =>
        [.. OperatorLibrary.All.Where(d => d.Opens is not null).Select(d => d.Name)];

    [SkippableTheory]
    [MemberData(nameof(Operators))]
    public void One_kernel_serves_the_edges_of_its_class(string name)
    {
        int seed = name.Aggregate(29, (s, c) => unchecked(s * 31 + c));
        var random = new Random(seed);
        var classes = Draw(OperatorLibrary.Find(name)!, random)
            .Take(400)
            .Distinct()
            .Where(IsSmall)
            .Where(s => OpenOperator.Of(s) is not null)
            .GroupBy(s => OpenOperator.Of(s)!.Name)
            .OrderByDescending(g => g.Count() > 1)
            .Take(Kernels);
        int ran = 0;
        foreach (var members in classes)
        {
            int threads = random.Next(1, 4);
            var backend = Widths.Backend(Widths.All[random.Next(2)], threads);
            CpuKernel kernel;
            LoopNest nest;
            try
            {
                nest = OpenSchedule.For(OpenOperator.Of(members.First())!, backend.Target);
                kernel = backend.Compile(nest);
            }
            catch (Exception refusal) when (refusal is TraceException or LoweringException)
            {
                output.WriteLine($"{members.Key}: {refusal.Message.Split('\n')[0]}");
                continue;
            }
            using var one = kernel;
            foreach (var spec in members.Take(ShapesAKernel))
            {
                var algorithm = spec.Build();
                var inputs = GuardedMemory.AsStored(spec.MakeInputs(seed & 0xFF));
                var extents = OpenOperator.Of(spec)!.Extents;
                var actual = Execution.RunOpen(kernel, algorithm, inputs, [.. extents]);
                string? wrong = Execution.Wrong(algorithm, actual, Evaluator.RunWithBounds(algorithm, inputs));
                Assert.True(wrong is null, $"{spec} as {members.Key}, {threads} threads: {wrong}");
                using var own = backend.Compile(nest, extents);
                string? difference = Execution.Difference(
                    actual,
                    Execution.RunOpen(own, algorithm, inputs, [.. extents])
                );
                Assert.True(
                    difference is null,
                    $"{spec} as {members.Key}, {threads} threads, extents as constants: {difference}"
                );
                ran++;
                // Where floats are added up the shape's own schedule may have another order.
                if (algorithm.Stages.Any(s => s.Kind != StageKind.Map && s.Outputs.Any(o => o.Type.IsFloat())))
                    continue;
                using var standard = backend.Compile(DefaultSchedule.For(algorithm, backend.Target));
                difference = Execution.Difference(actual, Execution.Run(standard, algorithm, inputs));
                Assert.True(
                    difference is null,
                    $"{spec} as {members.Key}, {threads} threads, by its own schedule: {difference}"
                );
            }
        }
        output.WriteLine($"{ran} shapes ran");
        Assert.True(ran > 0, "no shape of this operator runs on a shared kernel");
    }

    private static bool IsSmall(OperatorSpec spec) =>
        spec.Flops <= MostFlops && spec.Build().Arguments.Sum(a => a.ConstantSize() ?? 0) <= MostElements;

    private static IEnumerable<OperatorSpec> Draw(OperatorDefinition definition, Random random)
    {
        var example = OperatorSpec.Parse(definition.Example);
        for (int attempt = 0; attempt < 4_000; attempt++)
        {
            long[] shape = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Edge(random))];
            var pairs = new List<(string, string)>();
            foreach (var key in definition.Keys.Where(k => example.Has(k.Name)))
            {
                string text = key.Kind switch
                {
                    // Products and attention are open for one row.
                    KeyKind.Dimension when key.Name is "m" or "tq" => "1",
                    KeyKind.Dimension when key.Name is "b" or "h" or "d" or "batch" => $"{random.Next(1, 9)}",
                    KeyKind.Dimension => $"{Edge(random)}",
                    KeyKind.Shape when key.Name == "shape" => string.Join('x', shape),
                    KeyKind.Shape => string.Join('x', shape.Select(e => random.Next(5) == 0 ? 1 : e)),
                    KeyKind.Flag => $"{random.Next(2)}",
                    KeyKind.List when key.Name == "strides" => string.Join(',', Strides(shape, random)),
                    KeyKind.List => $"{random.Next(shape.Length)}",
                    _ => example.Choice(key.Name),
                };
                pairs.Add((key.Name, text));
            }
            OperatorSpec spec;
            try
            {
                spec = OperatorSpec.Of(definition.Name, [.. pairs]);
            }
            catch (OperatorSpecException)
            {
                continue;
            }
            yield return spec;
        }
    }

    private static long Edge(Random random) => Edges[random.Next(Edges.Length)];

    // Dimensions in any order in memory, with gaps between some.
    private static long[] Strides(long[] shape, Random random)
    {
        var strides = new long[shape.Length];
        long next = random.Next(1, 3);
        foreach (int d in Enumerable.Range(0, shape.Length).OrderBy(_ => random.Next()))
        {
            strides[d] = next;
            next = next * shape[d] + random.Next(3);
        }
        return strides;
    }
}
