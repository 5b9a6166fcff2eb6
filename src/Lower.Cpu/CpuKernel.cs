using System.Reflection.Emit;
using System.Runtime.InteropServices;
using Picograd.Lower.Cpu.Codegen;
using Picograd.Lower.Cpu.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu;

/// <summary>Time of the passes, of writing IL, and of the JIT.</summary>
public readonly record struct CompileTimes(TimeSpan Passes, TimeSpan Emit, TimeSpan Jit);

/// <summary>A compiled kernel and the workspace it needs, rented for each run.</summary>
public sealed unsafe class CpuKernel : ICompiledKernel
{
    // Bytes of machine code for one of IL, measured on vector kernels: between 1 and 2.
    private const int CodePerIl = 2;

    private readonly KernelEntry _entry;
    private readonly List<GCHandle> _bodies;
    private readonly ExtentFunction _sharedBytes;
    private readonly ExtentFunction _workerBytes;
    private readonly int _workers;
    private readonly bool _varies;
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
        var parameters = builder.Nest.Algorithm.Parameters;
        _workerBytes = new(builder.WorkerBytes, parameters);
        _sharedBytes = new(builder.SharedBytes, parameters);
        _workers = builder.MaxThreads;
        WorkspaceBytes =
            _sharedBytes.Constant is { } shared && _workerBytes.Constant is { } worker ? shared + worker * _workers : 0;
        _varies = _sharedBytes.Constant is null || _workerBytes.Constant is null;
        IlBytes = builder.Writers.Max(w => w.IlBytes);
        CodeBytes = builder.Writers.Sum(w => (long)w.IlBytes) * CodePerIl;
        Locals = builder.Writers.Max(w => w.Locals);
        LocalReferences = builder.Writers.Max(w => w.LocalReferences);
    }

    public string Name { get; }

    /// <summary>Where compilation spent its time.</summary>
    public CompileTimes Times { get; }

    /// <summary>The compiled methods, for disassembly: bodies of parallel loops, the entry last.</summary>
    internal IReadOnlyList<DynamicMethod> Methods { get; }

    /// <summary>Workspace bytes of every run; 0 where they depend on symbolic extents.</summary>
    public long WorkspaceBytes { get; }

    /// <summary>Size of the largest method: bytes of IL, locals, references to locals (the JIT's limits).</summary>
    public int IlBytes { get; }

    /// <summary>About the bytes of machine code, by those of IL.</summary>
    public long CodeBytes { get; }

    public int Locals { get; }

    public int LocalReferences { get; }

    /// <summary>Workspace bytes of a run with these symbolic extents.</summary>
    public long WorkspaceFor(long* parameters) =>
        _varies ? _sharedBytes.Of(parameters) + _workerBytes.Of(parameters) * _workers : WorkspaceBytes;

    public void Run(nint* arguments, long* parameters)
    {
        if (WorkspaceBytes == 0 && !_varies)
        {
            _entry(arguments, parameters, null, 0, 0);
            // The finalizer frees the bodies of parallel loops, so it must not run before they have ended.
            GC.KeepAlive(this);
            return;
        }
        long bytes = WorkspaceFor(parameters);
        // The last workspace is kept; a call at the same time from another thread takes its own.
        var buffer = Interlocked.Exchange(ref _spare, null);
        if (buffer is null || buffer.Capacity < bytes)
        {
            buffer?.Dispose();
            buffer = CpuBuffer.Rent(bytes);
        }
        _entry(arguments, parameters, buffer.Pointer, _sharedBytes.Of(parameters), _workerBytes.Of(parameters));
        buffer = Interlocked.Exchange(ref _spare, buffer);
        buffer?.Dispose();
        if (_disposed)
            Interlocked.Exchange(ref _spare, null)?.Dispose();
        GC.KeepAlive(this);
    }

    /// <summary>Runs it in a workspace of the caller's: <see cref="WorkspaceFor"/> bytes, 64-byte aligned.</summary>
    internal void Run(nint* arguments, long* parameters, byte* workspace)
    {
        _entry(arguments, parameters, workspace, _sharedBytes.Of(parameters), _workerBytes.Of(parameters));
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
