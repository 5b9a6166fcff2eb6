using System.Reflection.Emit;
using System.Runtime.InteropServices;
using Picograd.Schedules;

namespace Picograd.Lower.Cpu;

/// <summary>Time of the passes, of writing IL, and of the JIT.</summary>
public readonly record struct CompileTimes(TimeSpan Passes, TimeSpan Emit, TimeSpan Jit);

/// <summary>A compiled kernel and the workspace it needs, rented for each run.</summary>
public sealed unsafe class CpuKernel : ICompiledKernel
{
    private readonly KernelEntry _entry;
    private readonly List<GCHandle> _bodies;
    private readonly long _sharedBytes;
    private readonly long _workerBytes;
    private CpuBuffer? _spare;
    private bool _disposed;

    internal CpuKernel(KernelEntry entry, KernelBuilder builder, string name, CompileTimes times)
    {
        Times = times;
        _entry = entry;
        _bodies = builder.Bodies;
        Methods = builder.Methods;
        Name = name;
        // One line of distance between workers' areas, so that they never share one.
        _workerBytes = builder.WorkerBytes;
        _sharedBytes = builder.SharedBytes;
        WorkspaceBytes = _sharedBytes + _workerBytes * builder.MaxThreads;
        IlBytes = builder.Writers.Max(w => w.IlBytes);
        Locals = builder.Writers.Max(w => w.Locals);
        LocalReferences = builder.Writers.Max(w => w.LocalReferences);
    }

    public string Name { get; }

    /// <summary>Where compilation spent its time.</summary>
    public CompileTimes Times { get; }

    /// <summary>The compiled methods, for disassembly: bodies of parallel loops, the entry last.</summary>
    internal IReadOnlyList<DynamicMethod> Methods { get; }

    public long WorkspaceBytes { get; }

    /// <summary>Size of the largest method: bytes of IL, locals, references to locals (the JIT's limits).</summary>
    public int IlBytes { get; }

    public int Locals { get; }

    public int LocalReferences { get; }

    public void Run(nint* arguments, long* parameters)
    {
        if (WorkspaceBytes == 0)
        {
            _entry(arguments, parameters, null, 0, 0);
            // The finalizer frees the bodies of parallel loops, so it must not run before they have ended.
            GC.KeepAlive(this);
            return;
        }
        // The last workspace is kept; a call at the same time from another thread takes its own.
        var buffer = Interlocked.Exchange(ref _spare, null) ?? CpuBuffer.Rent(WorkspaceBytes);
        _entry(arguments, parameters, buffer.Pointer, _sharedBytes, _workerBytes);
        buffer = Interlocked.Exchange(ref _spare, buffer);
        buffer?.Dispose();
        if (_disposed)
            Interlocked.Exchange(ref _spare, null)?.Dispose();
    }

    /// <summary>Runs it in a workspace of the caller's: <see cref="WorkspaceBytes"/> bytes, 64-byte aligned.</summary>
    internal void Run(nint* arguments, long* parameters, byte* workspace)
    {
        _entry(arguments, parameters, workspace, _sharedBytes, _workerBytes);
        GC.KeepAlive(this);
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        Interlocked.Exchange(ref _spare, null)?.Dispose();
        foreach (var handle in _bodies)
            handle.Free();
        _bodies.Clear();
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the handles of parallel bodies.</summary>
    ~CpuKernel() => Dispose();
}
