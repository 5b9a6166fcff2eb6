using Picograd.Schedules.Backend;

namespace Picograd.Search.Measurement;

/// <summary>A kernel over symbolic extents with values for them, called like one of constant extents.</summary>
/// <param name="kernel">Over symbolic extents.</param>
/// <param name="extents">Their values, in order.</param>
/// <param name="owned">Whether the kernel is disposed of with this one.</param>
internal sealed unsafe class KernelAtExtents(ICompiledKernel kernel, IReadOnlyList<long> extents, bool owned)
    : ICompiledKernel
{
    private readonly long[] _extents = [.. extents];

    public long WorkspaceBytes => kernel.WorkspaceBytes;

    public long CodeBytes => kernel.CodeBytes;

    public void Run(nint* arguments, long* parameters)
    {
        fixed (long* values = _extents)
            kernel.Run(arguments, values);
    }

    public void Dispose()
    {
        if (owned)
            kernel.Dispose();
    }
}
