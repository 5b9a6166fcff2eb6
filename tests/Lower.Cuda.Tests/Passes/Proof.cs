using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Xunit;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Tests.Passes;

/// <summary>Runs nests in the interpreter, all sanitizers on, and compares with the evaluator's error bounds.</summary>
internal sealed class Proof
{
    private readonly Dictionary<string, HostArray> _arguments = [];
    private readonly Dictionary<Algorithms.Buffer, BoundedArray> _expected;
    private readonly Dictionary<string, long> _sizes;

    private Proof(Algorithm algorithm, Dictionary<string, long> sizes)
    {
        _sizes = sizes;
        var random = new Random(11);
        var values = new Dictionary<Algorithms.Buffer, NDArray>();
        foreach (var input in algorithm.Inputs)
        {
            var array = HostArray.For(input, sizes);
            for (long i = 0; i < array.Count; i++)
                array[i] = input.Type.IsFloat() ? (float)(random.NextDouble() * 4 - 2) : random.Next(4);
            _arguments[input.Name] = array;
            values[input] = array.ToNDArray();
        }
        _expected = Evaluator.RunWithBounds(algorithm, values, sizes).ToDictionary(e => e.Key, e => e.Value);
    }

    private Proof(Algorithm algorithm, OperatorSpec spec)
    {
        _sizes = [];
        var inputs = spec.MakeInputs(7);
        var values = algorithm.Inputs.ToDictionary(b => b, b => inputs.First(i => i.Key.Name == b.Name).Value);
        foreach (var (buffer, elements) in values)
            _arguments[buffer.Name] = HostArray.From(elements, buffer);
        _expected = Evaluator.RunWithBounds(algorithm, values).ToDictionary(e => e.Key, e => e.Value);
    }

    /// <summary>The schedule and its kernel form are correct.</summary>
    public static void Right(LoopNest nest)
    {
        var proof = new Proof(nest.Algorithm, new Dictionary<string, long>());
        proof.Correct(nest, new InterpreterOptions(ThreadLoopsJoin: true));
        proof.Correct(CudaLowering.Run(nest, GpuInfo.H100), new InterpreterOptions(Seed: 3));
    }

    /// <summary>
    /// The schedule itself, the nest after the thread loops became one, and kernel form, which it returns, are all
    /// correct, in several orders of the threads.
    /// </summary>
    /// <summary>Kernel form of a schedule is correct, on inputs that suit the operator.</summary>
    public static LoopNest Lowers(LoopNest nest, OperatorSpec spec)
    {
        var proof = new Proof(nest.Algorithm, spec);
        proof.Correct(nest, new InterpreterOptions(ThreadLoopsJoin: true));
        nest = CudaLowering.Run(nest, GpuInfo.H100);
        // Specialised warps wait for one another, which the interpreter's lockstep cannot: they run on the emulator.
        if (nest.Body.Nodes().Any(s => s is DeviceOp { Queue: DeviceQueue.Barriers }))
            return nest;
        proof.Correct(nest, new InterpreterOptions());
        proof.EachBarrierCounts(nest);
        return nest;
    }

    public static LoopNest Lowers(LoopNest nest, params (string Name, long Value)[] parameters)
    {
        var proof = new Proof(nest.Algorithm, parameters.ToDictionary(p => p.Name, p => p.Value));
        proof.Correct(nest, new InterpreterOptions(ThreadLoopsJoin: true));
        foreach (var (name, run) in CudaLowering.Passes(GpuInfo.H100))
        {
            nest = run(nest);
            // Races are between kernels' threads only once registers are theirs and barriers are there.
            if (name is "one-thread-loop" or "distribute-registers")
                proof.Correct(nest, new InterpreterOptions(Sanitizers.Bounds | Sanitizers.Unwritten));
        }
        proof.Correct(nest, new InterpreterOptions());
        proof.Correct(nest, new InterpreterOptions(Seed: 5));
        proof.EachBarrierCounts(nest);
        return nest;
    }

    private void EachBarrierCounts(LoopNest nest)
    {
        foreach (var barrier in nest.Body.Nodes().OfType<Barrier>())
        {
            var without = nest with { Body = nest.Body.Remove(barrier) };
            try
            {
                Interpreter.Run(without, _arguments, _sizes);
            }
            catch (SanitizerException e) when (e.Kind == SanitizerKind.Race)
            {
                continue;
            }
            Assert.Fail($"nothing happens without the barrier marked:\n{NestPrinter.Print(nest, barrier)}");
        }
    }

    private void Correct(LoopNest nest, InterpreterOptions options)
    {
        var outputs = Interpreter.Run(nest, _arguments, _sizes, options);
        for (int o = 0; o < outputs.Length; o++)
        {
            var right = _expected[nest.Algorithm.Outputs[o]];
            double[] computed = outputs[o].ToDoubles();
            for (int i = 0; i < computed.Length; i++)
            {
                if (!right.Accepts(i, computed[i]))
                    Assert.Fail(
                        $"{nest.Algorithm.Outputs[o].Name}[{i}] is {computed[i]}, should be {right.Value.At(i)} ± {right.Bound[i]}\n{nest}"
                    );
            }
        }
    }
}
