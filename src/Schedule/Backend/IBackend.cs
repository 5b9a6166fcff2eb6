using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Backend;

/// <summary>What rules, cost models and default schedules need to know of a target.</summary>
/// <param name="Name">cpu, cuda.</param>
/// <param name="Fingerprint">Stable text of everything that a tuned result depends on, threads included.</param>
/// <param name="VectorBits">Width of the widest vector used (CPU), else 0.</param>
/// <param name="VectorRegisters">Architectural vector registers (CPU), else 0.</param>
/// <param name="Threads">Worker threads a kernel may use.</param>
/// <param name="L1Bytes">Data cache of one core.</param>
/// <param name="L2Bytes">Second-level cache of one core.</param>
/// <param name="L3Bytes">Last-level cache.</param>
public sealed record TargetInfo(
    string Name,
    string Fingerprint,
    int VectorBits,
    int VectorRegisters,
    int Threads,
    long L1Bytes,
    long L2Bytes,
    long L3Bytes
)
{
    /// <summary>
    /// What compiles and runs its kernels, where that is no part of the fingerprint: driver=12.8,nvrtc=12.4. Empty where there
    /// is nothing to tell. A winner found with another is served as a near one.
    /// </summary>
    public string Toolchain { get; init; } = "";

    /// <summary>What a GPU has; null for processors.</summary>
    public GpuInfo? Gpu { get; init; }

    /// <summary>
    /// What kernels expect the address of every argument to be a multiple of, in bytes, where that is more than the size of
    /// an element: GPUs fault on vector accesses at other addresses.
    /// </summary>
    public int ArgumentAlignment { get; init; } = 1;

    /// <summary>What the address of an argument of a type must be a multiple of.</summary>
    public int AlignmentOf(DType type) => Math.Max(ArgumentAlignment, type.Size());

    /// <summary>
    /// Lanes of the vectors of a stage: as many as one holds of the widest elements that it reads or writes.
    /// </summary>
    public int Lanes(Stage stage)
    {
        int widest = stage.Outputs.Max(o => o.Type.Compute().Size());
        foreach (var load in stage.Values.SelectMany(v => v.Loads()))
        {
            if (stage.Axes.Any(a => load.Uses(a.Var)))
                widest = Math.Max(widest, load.Type.Compute().Size());
        }
        return Math.Max(1, VectorBits / 8 / widest);
    }

    /// <summary>Lanes of a vector of a type; of bools, those of a mask of 32 bits a lane.</summary>
    public int Lanes(DType type) => Math.Max(1, VectorBits / 8 / (type == DType.Bool ? 4 : type.Compute().Size()));
}

/// <summary>A back end: nest → kernel. Search and front end know targets only through this.</summary>
public interface IBackend
{
    TargetInfo Target { get; }

    /// <summary>Whether kernels with symbolic extents run as fast as others, so that one may serve many shapes.</summary>
    bool SharesKernels => false;

    /// <summary>
    /// The nest in the form that code is generated from, for estimates of its time: nothing is compiled, and what hardly
    /// counts may be left out. Where estimates look at the nest itself, that.
    /// </summary>
    /// <exception cref="LoweringException">The target cannot run the nest; the reason by name.</exception>
    LoopNest Lower(LoopNest nest) => nest;

    /// <summary>Lowers and compiles. Throws <see cref="LoweringException"/> where the target cannot run the nest well.</summary>
    ICompiledKernel Compile(LoopNest nest);

    /// <summary>
    /// Compiles a nest over symbolic extents for one shape: a kernel that is as fast as if the extents were constants, and gives
    /// the bits that the kernel of the nest itself gives. Only for back ends that share kernels.
    /// </summary>
    /// <param name="nest">The nest of a class of shapes.</param>
    /// <param name="extents">Values of its algorithm's parameters, in order; its kernel ignores those that it is given.</param>
    /// <exception cref="LoweringException">The target cannot run it well.</exception>
    /// <exception cref="NotSupportedException">The back end does not share kernels.</exception>
    ICompiledKernel Compile(LoopNest nest, IReadOnlyList<long> extents) =>
        throw new NotSupportedException($"{Target.Name} has no kernels for classes of shapes");
}

/// <summary>
/// A back end whose compiler takes long and can work at several nests at once, before they are wanted: what was compiled
/// ahead, <see cref="IBackend.Compile"/> finds done.
/// </summary>
public interface IAheadCompiler
{
    /// <summary>How many nests are worth compiling at once.</summary>
    int Parallelism { get; }

    /// <summary>Compiles without touching the device; a refusal is kept for <see cref="IBackend.Compile"/> to tell.</summary>
    void CompileAhead(LoopNest nest);
}

/// <summary>A kernel ready to run; thread-safe to call.</summary>
public interface ICompiledKernel : IDisposable
{
    /// <summary>
    /// Runs it. <paramref name="arguments"/>: base address of each of the algorithm's Arguments (inputs, outputs), in
    /// order; <paramref name="parameters"/>: value of each symbolic extent, in order (null where there are none).
    /// </summary>
    unsafe void Run(nint* arguments, long* parameters);

    /// <summary>Workspace bytes held while it runs.</summary>
    long WorkspaceBytes { get; }

    /// <summary>About how many bytes of memory its code takes; 0 where that is not known.</summary>
    long CodeBytes => 0;
}

/// <summary>A nest that a back end refuses, with the reason by name (counted by the search).</summary>
public sealed class LoweringException(string reason, string message) : Exception($"{reason}: {message}")
{
    /// <summary>Short stable name: il-too-large, too-many-locals, register-index, unsupported, ….</summary>
    public string Reason { get; } = reason;
}
