using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Guards;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>Runs the text of nests in kernel form on the emulator and compares with the evaluator.</summary>
internal static unsafe class EmulatedProgram
{
    // Bytes before and behind each argument that must stay as they are.
    private const int Guard = 256;
    private const byte Pattern = 0xA5;

    /// <summary>Fails where an output is outside of the evaluator's bound, or where memory around an argument changes.</summary>
    public static void Check(
        LoopNest kernelForm,
        IReadOnlyDictionary<Algorithms.Buffer, NDArray> inputs,
        IReadOnlyDictionary<string, long>? parameters = null
    )
    {
        if (Wrong(kernelForm, CudaEmitter.Emit(kernelForm, GpuInfo.H100), inputs, parameters) is { } wrong)
            Assert.Fail(wrong);
    }

    /// <summary>What is wrong with a program's outputs; null where nothing is.</summary>
    public static string? Wrong(
        LoopNest kernelForm,
        CudaProgram program,
        IReadOnlyDictionary<Algorithms.Buffer, NDArray> inputs,
        IReadOnlyDictionary<string, long>? parameters = null
    )
    {
        var stored = inputs.ToDictionary(i => i.Key, i => Rounded(i.Value));
        var outputs = Run(kernelForm, program, stored, parameters);
        var expected = Evaluator.RunWithBounds(kernelForm.Algorithm, stored, parameters);
        foreach (var (output, actual) in kernelForm.Algorithm.Outputs.Zip(outputs))
        {
            for (int i = 0; i < actual.Length; i++)
            {
                if (!expected[output].Accepts(i, actual.At(i)))
                    return $"{output.Name} element {i} of {actual} is {actual.At(i)}, must be {expected[output].Value.At(i)} within {expected[output].Bound[i]}\n{program.Source}";
            }
        }
        return null;
    }

    /// <summary>The outputs.</summary>
    public static NDArray[] Run(
        LoopNest nest,
        CudaProgram program,
        IReadOnlyDictionary<Algorithms.Buffer, NDArray> inputs,
        IReadOnlyDictionary<string, long>? parameters = null
    )
    {
        var device = EmulatedLaunch.Require();
        var compiled = EmulatedLaunch.Compiler().Compile(program.Source, program.Name, "sm_90a");
        Assert.True(compiled.Succeeded, compiled.Log + "\n" + program.Source);
        using var kernel = new CudaKernel(device, program, compiled);
        var memories = new List<CudaBuffer>();
        try
        {
            var sizes = new List<long>();
            foreach (var argument in program.Arguments)
            {
                long size = StoredElements.Length(Shape(argument, parameters), argument) * argument.Type.Size();
                sizes.Add(size);
                var memory = device.Rent(size + 2 * Guard);
                memories.Add(memory);
                device.Fill(memory.Address, Pattern, size + 2 * Guard);
                // What is changed in place holds what it replaces.
                var held = nest.Algorithm.ReplacedBy(argument) ?? argument;
                if (inputs.TryGetValue(held, out var array))
                    device.Write<byte>(memory.Address + Guard, StoredElements.Bytes(array, argument));
            }
            nint[] addresses = [.. memories.Select(m => m.Address + Guard)];
            long[] values = [.. program.Parameters.Select(p => parameters![p.Name])];
            fixed (nint* arguments = addresses)
            fixed (long* extents = values)
                kernel.Run(arguments, extents);
            device.Synchronize();
            var outputs = new List<NDArray>();
            for (int i = 0; i < memories.Count; i++)
            {
                byte[] bytes = new byte[sizes[i] + 2 * Guard];
                device.Read<byte>(bytes, memories[i].Address);
                var inside = bytes.AsSpan(Guard, (int)sizes[i]);
                if (
                    bytes.AsSpan(0, Guard).ContainsAnyExcept(Pattern)
                    || bytes.AsSpan(Guard + (int)sizes[i]).ContainsAnyExcept(Pattern)
                )
                    Assert.Fail($"memory beside {program.Arguments[i].Name} was written\n{program.Source}");
                if (inputs.TryGetValue(program.Arguments[i], out var array))
                    Assert.True(
                        inside.SequenceEqual(StoredElements.Bytes(array, program.Arguments[i])),
                        $"{program.Arguments[i].Name} changed"
                    );
                else
                    outputs.Add(
                        StoredElements.Array(
                            program.Arguments[i].Type,
                            Shape(program.Arguments[i], parameters),
                            inside,
                            program.Arguments[i]
                        )
                    );
            }
            return [.. outputs];
        }
        finally
        {
            memories.ForEach(m => m.Dispose());
        }
    }

    private static NDArray Rounded(NDArray array) =>
        StoredElements.Array(array.Type, [.. array.Shape], StoredElements.Bytes(array));

    private static long[] Shape(Algorithms.Buffer buffer, IReadOnlyDictionary<string, long>? parameters) =>
        [
            .. buffer.Shape.Select(e =>
                (
                    (IntImm)
                        Simplifier.Simplify(
                            e.Map(x => x is Var v ? parameters![v.Name] : null),
                            new Dictionary<Var, Interval>()
                        )
                ).Value
            ),
        ];
}
