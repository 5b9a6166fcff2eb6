using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Lower.Cpu;

namespace Picograd.Tests.Codegen;

/// <summary>Runs compiled kernels on arrays of the evaluator and looks for damage around the arguments.</summary>
internal static unsafe class Execution
{
    /// <summary>The outputs; throws where a guard or an input changed.</summary>
    public static NDArray[] Run(
        CpuKernel kernel,
        Algorithm algorithm,
        IReadOnlyDictionary<Buffer, NDArray> inputs,
        IReadOnlyDictionary<string, long>? parameters = null
    ) => Run(kernel, algorithm, inputs, parameters, false);

    /// <summary>As <see cref="Run(CpuKernel, Algorithm, IReadOnlyDictionary{Buffer, NDArray}, IReadOnlyDictionary{string, long}?)"/>, in the kernel's own workspace, which has no guards.</summary>
    public static NDArray[] RunPooled(
        CpuKernel kernel,
        Algorithm algorithm,
        IReadOnlyDictionary<Buffer, NDArray> inputs
    ) => Run(kernel, algorithm, inputs, null, true);

    /// <summary>A kernel of a class of shapes on the arrays of one shape's algorithm, given the values of its extents.</summary>
    public static NDArray[] RunOpen(
        CpuKernel kernel,
        Algorithm algorithm,
        IReadOnlyDictionary<Buffer, NDArray> inputs,
        long[] extents
    ) => Run(kernel, algorithm, inputs, null, false, extents);

    private static NDArray[] Run(
        CpuKernel kernel,
        Algorithm algorithm,
        IReadOnlyDictionary<Buffer, NDArray> inputs,
        IReadOnlyDictionary<string, long>? parameters,
        bool pooled,
        long[]? extentValues = null
    )
    {
        var memories = algorithm.Arguments.Select(b => new GuardedMemory(b, parameters)).ToArray();
        try
        {
            for (int i = 0; i < algorithm.Inputs.Length; i++)
                memories[i].Fill(inputs[algorithm.Inputs[i]]);
            // What is changed in place holds what it replaces.
            for (int i = algorithm.Inputs.Length; i < memories.Length; i++)
            {
                if (algorithm.ReplacedBy(algorithm.Arguments[i]) is { } replaced)
                    memories[i].Fill(inputs[replaced]);
            }
            var before = memories.Take(algorithm.Inputs.Length).Select(m => m.Snapshot()).ToArray();
            var values = extentValues ?? [.. algorithm.Parameters.Select(p => parameters![p.Name])];
            long workspaceBytes;
            fixed (long* extents = values)
                workspaceBytes = kernel.WorkspaceFor(extents);
            using var workspace = GuardedMemory.Workspace(workspaceBytes);
            var addresses = memories.Select(m => m.Address).ToArray();
            fixed (nint* arguments = addresses)
            fixed (long* extents = values)
            {
                if (pooled)
                    kernel.Run(arguments, extents);
                else
                    kernel.Run(arguments, extents, (byte*)workspace.Address);
            }
            foreach (var memory in memories.Append(workspace))
            {
                if (memory.Overrun() is { } overrun)
                    throw new DamageException(overrun);
            }
            for (int i = 0; i < before.Length; i++)
            {
                if (!memories[i].Snapshot().AsSpan().SequenceEqual(before[i]))
                    throw new DamageException($"input {algorithm.Inputs[i].Name} was changed");
            }
            foreach (var output in memories.Skip(algorithm.Inputs.Length))
            {
                if (output.GapsWritten())
                    throw new DamageException("what lies between the elements of a strided output was changed");
            }
            return [.. memories.Skip(algorithm.Inputs.Length).Select(m => m.Read())];
        }
        finally
        {
            foreach (var memory in memories)
                memory.Dispose();
        }
    }

    /// <summary>Says which element has other bits in one result than in another, or null.</summary>
    public static string? Difference(NDArray[] a, NDArray[] b)
    {
        for (int o = 0; o < a.Length; o++)
        for (int i = 0; i < a[o].Length; i++)
        {
            if (BitConverter.DoubleToInt64Bits(a[o].At(i)) != BitConverter.DoubleToInt64Bits(b[o].At(i)))
                return $"element {i} of output {o} is {b[o].At(i):R} instead of {a[o].At(i):R}";
        }
        return null;
    }

    /// <summary>Says which element is outside of the evaluator's bound, or null.</summary>
    public static string? Wrong(
        Algorithm algorithm,
        NDArray[] actual,
        IReadOnlyDictionary<Buffer, BoundedArray> expected
    )
    {
        for (int o = 0; o < actual.Length; o++)
        {
            var output = algorithm.Outputs[o];
            for (int i = 0; i < actual[o].Length; i++)
            {
                double error = expected[output].ErrorInBounds(i, actual[o].At(i));
                if (!(error <= 1))
                    return $"{output.Name} element {i} of {actual[o]} is {actual[o].At(i)}, must be {expected[output].Value.At(i)} within {expected[output].Bound[i]}";
            }
        }
        return null;
    }
}

/// <summary>A kernel wrote where it must not.</summary>
internal sealed class DamageException(string message) : Exception(message);
