using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>
/// What code generation makes of a nest: CUDA C text and how to launch what is in it. The text is complete (device
/// functions of the prelude included, no headers) and is both what NVRTC compiles and what the emulator compiles.
/// </summary>
/// <param name="Name">Of the algorithm and schedule; a C identifier.</param>
/// <param name="Source">One translation unit; kernels are extern "C".</param>
/// <param name="Launches">In order, on one stream.</param>
/// <param name="Arguments">The algorithm's arguments (inputs, then outputs), in the order in which a caller gives them.</param>
/// <param name="Parameters">Symbolic extents, in the order in which a caller gives their values.</param>
/// <param name="Workspace">Heap buffers: device memory that lives for one run of the whole program.</param>
public sealed record CudaProgram(
    string Name,
    string Source,
    ImmutableArray<CudaLaunch> Launches,
    ImmutableArray<Buffer> Arguments,
    ImmutableArray<Var> Parameters,
    ImmutableArray<Buffer> Workspace
)
{
    /// <summary>
    /// What the address of each argument must be a multiple of, in bytes, in the order of <see cref="Arguments"/>: the widest access
    /// to it, 16 at most, or the size of an element.
    /// </summary>
    public ImmutableArray<int> Alignments { get; init; } = [.. Arguments.Select(a => a.Type.Size())];
}

/// <summary>One kernel launch.</summary>
/// <param name="Kernel">Name of the extern "C" function.</param>
/// <param name="GridX">Blocks along x, an expression over the program's parameters; at most 2³¹−1. Zero: nothing runs.</param>
/// <param name="GridY">Blocks along y; at most 65,535.</param>
/// <param name="GridZ">Blocks along z; at most 65,535.</param>
/// <param name="Threads">Threads of a block, all along x; 1 to 1,024.</param>
/// <param name="SharedBytes">Dynamic shared memory of a block.</param>
/// <param name="Arguments">In the order of the function's parameters.</param>
public sealed record CudaLaunch(
    string Kernel,
    Expr GridX,
    Expr GridY,
    Expr GridZ,
    int Threads,
    long SharedBytes,
    ImmutableArray<CudaArgument> Arguments
)
{
    /// <summary>Blocks of a cluster along x; 1 for none.</summary>
    public int ClusterX { get; init; } = 1;

    /// <summary>Blocks of a cluster along y; 1 for none.</summary>
    public int ClusterY { get; init; } = 1;
}

/// <summary>What is passed for one parameter of a kernel.</summary>
public abstract record CudaArgument;

/// <summary>The address of an argument or workspace buffer.</summary>
public sealed record BufferArgument(Buffer Buffer) : CudaArgument;

/// <summary>The value of a symbolic extent, as a 64-bit integer.</summary>
public sealed record ParameterArgument(Var Parameter) : CudaArgument;

/// <summary>
/// A tensor map (128 bytes, passed by value as a <c>const __grid_constant__ CUtensorMap</c>) for bulk tensor copies from
/// or to a buffer. Dimensions are given innermost first, as the driver wants them.
/// </summary>
/// <param name="Buffer">An argument or workspace buffer.</param>
/// <param name="Extents">Elements along each dimension, innermost first; 1 to 5 dimensions.</param>
/// <param name="StrideBytes">Bytes between neighbours along dimensions 1, 2, …; multiples of 16.</param>
/// <param name="Box">Elements of one copy along each dimension; at most 256 each.</param>
/// <param name="SwizzleBytes">0, 32, 64 or 128: the swizzle of the shared-memory side.</param>
public sealed record TensorMapArgument(
    Buffer Buffer,
    ImmutableArray<long> Extents,
    ImmutableArray<long> StrideBytes,
    ImmutableArray<int> Box,
    int SwizzleBytes
) : CudaArgument;
