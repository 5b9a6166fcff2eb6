using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Traces;
using Xunit;

namespace Picograd.Tests.Primitives;

/// <summary>Runs a nest in the interpreter with all sanitizers and compares with the float64 evaluator.</summary>
internal static class Equivalence
{
    /// <summary>
    /// Random inputs (integers within 0 … 3, good as indices into the samples), every element within the evaluator's bound.
    /// Concurrent loops run in ascending and in two drawn orders.
    /// </summary>
    public static void Check(LoopNest nest, params (string Name, long Value)[] parameters)
    {
        var sizes = parameters.ToDictionary(p => p.Name, p => p.Value);
        var random = new Random(17);
        var evaluated = new Dictionary<Algorithms.Buffer, NDArray>();
        var run = new Dictionary<string, HostArray>();
        foreach (var input in nest.Algorithm.Inputs)
        {
            var array = HostArray.For(input, sizes);
            for (long i = 0; i < array.Count; i++)
                array[i] = input.Type.IsFloat() ? (float)(random.NextDouble() * 4 - 2) : random.Next(4);
            run.Add(input.Name, array);
            double[] values = array.ToDoubles();
            evaluated.Add(
                input,
                input.Type.IsFloat()
                    ? NDArray.Of(input.Type, array.Shape, values)
                    : NDArray.Of(input.Type, array.Shape, [.. values.Select(v => (long)v)])
            );
        }
        var expected = Evaluator.RunWithBounds(nest.Algorithm, evaluated, sizes);
        foreach (int? seed in (int?[])[null, 1, 2])
        {
            var outputs = Interpreter.Run(nest, run, sizes, new InterpreterOptions(Seed: seed));
            for (int o = 0; o < outputs.Length; o++)
            {
                var right = expected[nest.Algorithm.Outputs[o]];
                double[] computed = outputs[o].ToDoubles();
                for (int i = 0; i < computed.Length; i++)
                {
                    if (!right.Accepts(i, computed[i]))
                        Assert.Fail(
                            $"{nest.Algorithm.Outputs[o].Name}[{i}] is {computed[i]}, should be {right.Value.At(i)} ± {right.Bound[i]}; order {seed}\n{Trace.Of(nest)}\n{nest}"
                        );
                }
            }
        }
    }

    /// <summary>Applies steps to a sample and checks the result after each.</summary>
    public static LoopNest Check(string sample, params string[] steps)
    {
        var schedule = new Schedule(SampleAlgorithms.All[sample]());
        foreach (string step in steps)
        {
            schedule.Apply(Step.Parse(step));
            (string, long)[][] sizes = schedule.Nest.Algorithm.Parameters.IsEmpty
                ?
                [
                    [],
                ]
                :
                [
                    [("N", 1)],
                    [("N", 13)],
                    [("N", 16)],
                ];
            foreach (var size in sizes)
                Check(schedule.Nest, size);
        }
        return schedule.Nest;
    }
}
