using System.Collections.Immutable;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>
/// Shapes that are long enough for what rules only do then (stretches of columns, tiles of tiles, chunks for threads, blocks
/// of the reduction), with ragged ends everywhere: the defaults of every rule, none of which is refused, and random choices are
/// within the evaluator's bound.
/// </summary>
public class LongerShapeTests
{
    private const int ChoicesARule = 3;

    private static readonly string[] Specs =
    [
        "transpose rows=131 cols=203",
        "transpose rows=131 cols=203 dtype=f64",
        "transpose rows=203 cols=131 dtype=u8",
        "transpose rows=129 cols=150 dtype=bf16",
        "copy shape=3x131x140 strides=1,420,3",
        "copy shape=150x3x131 strides=1,19650,150",
        "argmax rows=37 cols=1031 axis=0",
        "sum rows=67 cols=517 axis=0 dtype=bf16",
        "sum rows=131 cols=515 axis=1",
        "matmul m=1 n=4099 k=67",
        "matmul m=1 n=4099 k=67 tb=1",
        "matmul m=3 n=2051 k=37 tb=1 bias=1 act=relu",
        "matmul m=5 n=2051 k=37 ta=1",
        "matmul m=2051 n=1 k=37",
        "matmul m=2051 n=1 k=37 ta=1",
        "matmul m=1031 n=3 k=67",
        "matmul m=1031 n=4 k=33 ta=1 tb=1",
        "matmul m=1 n=65 k=259 batch=5 tb=1",
        "matmul m=1 n=67 k=259 batch=5",
        "matmul m=6 n=515 k=67 batch=3 bcast=b dtype=f64",
        "matmul m=1 n=1 k=1031",
        "layernorm rows=37 cols=259 affine=1",
        "softmax rows=7 cols=1031",
        "cross_entropy rows=37 classes=515",
        "cross_entropy rows=70 classes=27",
        "cross_entropy.adjoint rows=37 classes=259",
        "matmul m=131 n=64 k=1031 batch=3",
    ];

    public static TheoryData<string, int> Cases()
    {
        var data = new TheoryData<string, int>();
        foreach (string spec in Specs)
        foreach (int bits in Widths.All)
            data.Add(spec, bits);
        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Generated_code_is_within_the_bound_of_the_evaluator(string text, int bits)
    {
        var spec = OperatorSpec.Parse(text);
        var algorithm = spec.Build();
        var random = new Random(bits + text.Length);
        var inputs = GuardedMemory.AsStored(spec.MakeInputs(7, (InputKind)random.Next(3)));
        var expected = Evaluator.RunWithBounds(algorithm, inputs);
        foreach (int threads in new[] { 1, 2, 3 })
        {
            var backend = Widths.Backend(bits, threads);
            foreach (var rule in ScheduleRules.For(algorithm, backend.Target))
            {
                var knobs = rule.Knobs(algorithm, backend.Target);
                Check(rule.Apply(algorithm, backend.Target, rule.Defaults(algorithm, backend.Target)), rule.Name);
                for (int i = 0; i < (knobs.IsEmpty ? 0 : ChoicesARule); i++)
                {
                    var choices = knobs.ToImmutableSortedDictionary(
                        k => k.Name,
                        k => random.Next(2) == 0 ? k.Default : k.Values[random.Next(k.Values.Length)]
                    );
                    try
                    {
                        Check(rule.Apply(algorithm, backend.Target, choices), $"{rule.Name} {Text(choices)}");
                    }
                    catch (Exception e) when (e is ScheduleException or LoweringException)
                    {
                        // Refused: nothing to run.
                    }
                }
            }

            void Check(LoopNest nest, string what)
            {
                using var kernel = backend.Compile(nest);
                var actual = Execution.Run(kernel, algorithm, inputs);
                if (Execution.Wrong(algorithm, actual, expected) is { } wrong)
                    Assert.Fail($"{spec}, {bits} bits, {threads} threads, {what}: {wrong}\n{nest}");
            }
        }
    }

    private static string Text(ImmutableSortedDictionary<string, long> choices) =>
        string.Join(" ", choices.Select(c => $"{c.Key}={c.Value}"));
}
