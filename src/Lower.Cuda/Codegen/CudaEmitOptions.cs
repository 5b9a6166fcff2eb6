using System.Collections.Immutable;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>
/// How kernels are written. Multiply-adds are written as a product and a sum: the compiler contracts them (NVRTC's
/// default, --fmad=true), as the meaning of expressions allows.
/// </summary>
public sealed record CudaEmitOptions
{
    public static CudaEmitOptions Default { get; } = new();

    /// <summary>Text of the calls of each intrinsic, by the intrinsic's name.</summary>
    public ImmutableDictionary<string, IntrinsicText> Intrinsics { get; init; } = IntrinsicTexts.All;

    /// <summary>Whether the algorithm and the trace are written above the kernels.</summary>
    public bool Header { get; init; } = true;
}
