using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Xunit;

namespace Picograd.Tests.Gpu;

/// <summary>Runs nests for GPUs in the interpreter, all sanitizers on, beside the evaluator.</summary>
internal static class GpuRuns
{
    /// <summary>
    /// Every output within the evaluator's bound, threads in ascending and in two drawn orders. Thread loops of a schedule
    /// join at their ends; in kernel form only barriers order threads.
    /// </summary>
    public static void Agrees(LoopNest nest, bool kernelForm = false)
    {
        var random = new Random(5);
        var inputs = new Dictionary<Algorithms.Buffer, NDArray>();
        var arrays = new Dictionary<string, HostArray>();
        foreach (var input in nest.Algorithm.Inputs)
        {
            var array = HostArray.For(input);
            for (long i = 0; i < array.Count; i++)
                array[i] = Math.Round(random.NextDouble() * 4 - 2, 3);
            arrays.Add(input.Name, array);
            inputs.Add(input, NDArray.Of(input.Type, array.Shape, array.ToDoubles()));
        }
        var expected = Evaluator.RunWithBounds(nest.Algorithm, inputs);
        foreach (int? seed in (int?[])[null, 1, 2])
        {
            var options = new InterpreterOptions(Seed: seed, ThreadLoopsJoin: !kernelForm);
            var outputs = Interpreter.Run(nest, arrays, null, options);
            for (int o = 0; o < outputs.Length; o++)
            {
                var right = expected[nest.Algorithm.Outputs[o]];
                double[] values = outputs[o].ToDoubles();
                for (int i = 0; i < values.Length; i++)
                    Assert.True(
                        right.Accepts(i, values[i]),
                        $"{nest.Algorithm.Outputs[o].Name}[{i}] is {values[i]}, should be {right.Value.At(i)} ± {right.Bound[i]}\n{nest}"
                    );
            }
        }
    }

    /// <summary>The kind of fault that running the nest ends in.</summary>
    public static SanitizerKind FaultOf(LoopNest nest, bool kernelForm = false)
    {
        var arrays = nest.Algorithm.Inputs.ToDictionary(b => b.Name, b => HostArray.For(b));
        var options = new InterpreterOptions(ThreadLoopsJoin: !kernelForm);
        return Assert.Throws<SanitizerException>(() => Interpreter.Run(nest, arrays, null, options)).Kind;
    }

    public static Schedule Scheduled(Algorithm algorithm, IEnumerable<string> steps)
    {
        var s = new Schedule(algorithm);
        foreach (string step in steps)
            s.Apply(Step.Parse(step));
        return s;
    }

    /// <summary>Storage placed, blocks lowered, asynchronous copies in pieces.</summary>
    public static LoopNest Lowered(LoopNest nest) => AsyncCopies.Run(LowerBlocks.Run(StoragePlacement.Run(nest)));
}
