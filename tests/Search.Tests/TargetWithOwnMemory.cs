using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Tests;

/// <summary>
/// A target of this machine that behaves as if its memory were its own: addresses are no addresses of this process (whoever
/// uses one as such faults), and what crosses is counted.
/// </summary>
internal sealed unsafe class TargetWithOwnMemory(ITuningTarget real) : ITuningTarget, IBackend
{
    // Not canonical, so that no process has memory there.
    private const nint Tag = 1 << 30 << 30;

    public long BytesIn { get; private set; }

    public long BytesOut { get; private set; }

    /// <summary>Bytes that are allocated and were not freed.</summary>
    public long Held { get; private set; }

    /// <summary>More is refused.</summary>
    public long Room { get; set; } = long.MaxValue;

    public IBackend Backend => this;

    public TargetInfo Target => real.Backend.Target;

    public string Device => real.Device;

    public TargetCeilings Ceilings => real.Ceilings;

    public bool IsHostMemory => false;

    public double SentinelMilliseconds() => real.SentinelMilliseconds();

    public nint Allocate(long bytes)
    {
        if (Held + bytes > Room)
            throw new OutOfMemoryException("as the test asked");
        Held += bytes;
        return real.Allocate(bytes) + Tag;
    }

    public void Free(nint memory, long bytes)
    {
        Held -= bytes;
        real.Free(memory - Tag, bytes);
    }

    public void Write(nint to, nint from, long bytes)
    {
        BytesIn += bytes;
        real.Write(to - Tag, from, bytes);
    }

    public void Read(nint from, nint to, long bytes)
    {
        BytesOut += bytes;
        real.Read(from - Tag, to, bytes);
    }

    public void Copy(nint to, nint from, long bytes) => real.Copy(to - Tag, from - Tag, bytes);

    public void Fill(nint to, byte value, long bytes) => real.Fill(to - Tag, value, bytes);

    public ICompiledKernel Compile(LoopNest nest) =>
        new Kernel(real.Backend.Compile(nest), nest.Algorithm.Arguments.Count());

    private sealed class Kernel(ICompiledKernel kernel, int arguments) : ICompiledKernel
    {
        public long WorkspaceBytes => kernel.WorkspaceBytes;

        public void Run(nint* addresses, long* parameters)
        {
            nint* own = stackalloc nint[arguments];
            for (int i = 0; i < arguments; i++)
                own[i] = addresses[i] - Tag;
            kernel.Run(own, parameters);
        }

        public void Dispose() => kernel.Dispose();
    }
}
