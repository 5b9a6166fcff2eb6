using System.Collections.Immutable;
using System.Text;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Passes;
using Picograd.Lower.Cuda.Prelude;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>Writes nests in kernel form (docs/cuda.md) as CUDA C.</summary>
public static class CudaEmitter
{
    private const long MaxGridX = int.MaxValue;
    private const long MaxGridYZ = FoldGrid.MostAcross;

    /// <summary>The text of a nest's kernels, and how to launch them.</summary>
    /// <param name="kernelForm">A nest through all passes of the CUDA back end.</param>
    /// <param name="gpu">What the text is for: its limits are checked.</param>
    /// <param name="options">Null: the default ones.</param>
    /// <exception cref="LoweringException">
    /// kernel-form, too-many-threads, shared-too-large, shared-not-constant, grid-too-large, register-index, unroll, vector-extent, swizzle, async-copy, no-clusters,
    /// unsupported: the nest cannot be written for this GPU.
    /// </exception>
    public static CudaProgram Emit(LoopNest kernelForm, GpuInfo gpu, CudaEmitOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(kernelForm);
        ArgumentNullException.ThrowIfNull(gpu);
        options ??= CudaEmitOptions.Default;
        var (workspace, kernels) = ParsedKernel.Parse(kernelForm);
        var functions = new HashSet<string>();
        var alignments = new Dictionary<Buffer, int>(ReferenceEqualityComparer.Instance);
        var names = new NameTable();
        var launches = ImmutableArray.CreateBuilder<CudaLaunch>();
        var text = new StringBuilder();
        foreach (var kernel in kernels)
        {
            kernel.RequireClusters(gpu);
            string name = names.Fresh(KernelNames.Of(kernelForm, kernel, kernels.Length == 1));
            var writer = new KernelWriter(kernelForm, kernel, workspace, gpu, functions, alignments, options);
            text.Append(text.Length == 0 ? "" : "\n").Append(writer.Write(name));
            launches.Add(
                new CudaLaunch(
                    name,
                    Grid(kernelForm, kernel, LoopKind.BlockX, MaxGridX),
                    Grid(kernelForm, kernel, LoopKind.BlockY, MaxGridYZ),
                    Grid(kernelForm, kernel, LoopKind.BlockZ, MaxGridYZ),
                    kernel.ThreadCount,
                    writer.SharedBytes,
                    writer.Arguments
                )
                {
                    ClusterX = kernel.ClusterSize,
                }
            );
        }
        var source = new StringBuilder();
        if (options.Header)
            source.Append(Header(kernelForm));
        source.Append(DeviceFunctions(functions)).Append(text);
        return new CudaProgram(
            launches.Count == 1 ? launches[0].Kernel : NameTable.Identifier(kernelForm.Algorithm.Name),
            source.ToString(),
            launches.ToImmutable(),
            kernelForm.Algorithm.Arguments,
            [.. kernelForm.Algorithm.Parameters.Select(p => p.Var)],
            workspace
        )
        {
            Alignments =
            [
                .. kernelForm.Algorithm.Arguments.Select(a => Math.Max(a.Type.Size(), alignments.GetValueOrDefault(a))),
            ],
        };
    }

    private static string DeviceFunctions(HashSet<string> functions)
    {
        var foreign = functions.Where(f => !Arithmetic.Has(f)).Order(StringComparer.Ordinal).ToList();
        string prelude = foreign.Count == 0 ? "" : PreludeText.Source(foreign) + "\n";
        return prelude + Arithmetic.Source(functions);
    }

    private static Expr Grid(LoopNest nest, ParsedKernel kernel, LoopKind kind, long limit)
    {
        // Clusters lie along x.
        Expr blocks = kind == LoopKind.BlockX ? kernel.ClusterSize : 1;
        if (kernel.Blocks.FirstOrDefault(b => b.Kind == kind) is not { } loop)
            return blocks;
        var extent = Simplifier.Simplify(loop.Extent * blocks, nest.ParameterRanges);
        long max = Interval.Of(extent, nest.ParameterRanges).Max;
        return max <= limit
            ? extent
            : throw new LoweringException(
                "grid-too-large",
                $"loop {loop.Name} starts up to {max} blocks along {kind.Text()}, and at most {limit} are allowed there"
            );
    }

    private static string Header(LoopNest nest)
    {
        var text = new StringBuilder();
        void Comment(string lines)
        {
            foreach (string line in lines.TrimEnd().Split('\n'))
                text.Append(("// " + line.TrimEnd()).TrimEnd()).Append('\n');
        }
        Comment(nest.Algorithm.ToString());
        if (!nest.Trace.IsEmpty)
        {
            Comment("schedule:");
            foreach (var step in nest.Trace)
                Comment("  " + step);
        }
        return text.Append('\n').ToString();
    }
}
