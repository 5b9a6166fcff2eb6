using System.Runtime.CompilerServices;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Backend;

namespace Picograd.Lower.Cuda.Machine;

/// <summary>
/// Times kernels by events of the device. Many calls are replayed as a graph, since starting kernels one by one takes the
/// processor longer than small kernels run.
/// </summary>
public sealed unsafe class CudaKernelTimer : IKernelTimer
{
    /// <summary>Calls that one graph holds.</summary>
    private const int GraphCalls = 20;

    /// <summary>Twice the largest second-level cache there is, and more than NVIDIA's own tools write.</summary>
    private const long LeastFlushBytes = 256L << 20;

    /// <summary>Graphs kept: as many as candidates race against one another.</summary>
    private const int MostGraphs = 12;

    /// <summary>What starting a kernel takes the processor at most, on a machine that compiles at the same time.</summary>
    private const int StartMicroseconds = 8;

    /// <summary>And a graph of <see cref="GraphCalls"/>: the first start of one sends it to the device.</summary>
    private const int GraphMicroseconds = 60;

    private readonly CudaDevice _device;
    private readonly Action<int>? _hold;
    private readonly CudaEvent _start;
    private readonly CudaEvent _end;
    private readonly List<(ICompiledKernel Kernel, nint Arguments, CudaGraph Graph)> _graphs = [];
    private readonly ConditionalWeakTable<ICompiledKernel, object> _unrecordable = [];
    private CudaBuffer? _flush;

    /// <param name="device">Where.</param>
    /// <param name="hold">
    /// Starts something that keeps the device busy for that many microseconds and leaves its caches alone. What is timed is
    /// put in the queue behind it, so that the time is the device's, not that of the processor that fills the queue.
    /// </param>
    public CudaKernelTimer(CudaDevice device, Action<int>? hold = null)
    {
        _device = device;
        _hold = hold;
        _start = new CudaEvent(device);
        _end = new CudaEvent(device);
    }

    public double Sample(ICompiledKernel kernel, nint* arguments, int calls, bool cold)
    {
        if (cold)
        {
            double total = 0;
            for (int i = 0; i < calls; i++)
            {
                Flush();
                total += Between(() => kernel.Run(arguments, null));
            }
            return total / calls;
        }
        if (calls < GraphCalls || GraphOf(kernel, arguments) is not { } graph)
        {
            _hold?.Invoke(StartMicroseconds * (Math.Min(calls, GraphCalls) + 2));
            return Between(() => Run(kernel, arguments, calls)) / calls;
        }
        int replays = (calls + GraphCalls - 1) / GraphCalls;
        _hold?.Invoke(GraphMicroseconds);
        return Between(() =>
            {
                for (int i = 0; i < replays; i++)
                    graph.Launch();
            }) / (replays * GraphCalls);
    }

    public void Dispose()
    {
        foreach (var (_, _, graph) in _graphs)
            graph.Dispose();
        _graphs.Clear();
        _flush?.Dispose();
        _start.Dispose();
        _end.Dispose();
    }

    /// <summary>Milliseconds that the device spends on what an action starts.</summary>
    private double Between(Action action)
    {
        var stream = _device.CurrentStream;
        _start.Record(stream);
        action();
        _end.Record(stream);
        _end.Synchronize();
        return _end.MillisecondsSince(_start);
    }

    private static void Run(ICompiledKernel kernel, nint* arguments, int calls)
    {
        for (int i = 0; i < calls; i++)
            kernel.Run(arguments, null);
    }

    /// <summary>Null for what cannot be recorded, as calls of libraries that wait or take memory.</summary>
    private CudaGraph? GraphOf(ICompiledKernel kernel, nint* arguments)
    {
        if (_unrecordable.TryGetValue(kernel, out _))
            return null;
        // The addresses that a graph was recorded with stay those of the task's memory.
        nint list = (nint)arguments;
        int known = _graphs.FindIndex(g => ReferenceEquals(g.Kernel, kernel) && g.Arguments == list);
        if (known >= 0)
            return _graphs[known].Graph;
        if (_graphs.Count == MostGraphs)
        {
            _graphs[0].Graph.Dispose();
            _graphs.RemoveAt(0);
        }
        try
        {
            var graph = CudaGraph.Record(_device, () => Run(kernel, arguments, GraphCalls));
            _graphs.Add((kernel, list, graph));
            return graph;
        }
        catch (Exception e) when (e is not (OutOfMemoryException or TargetException { IsLost: true }))
        {
            // Started call by call it runs, or says there why not.
            _unrecordable.Add(kernel, this);
            return null;
        }
    }

    private void Flush()
    {
        long bytes = Math.Max(LeastFlushBytes, 4 * _device.Info.L2Bytes);
        // The emulator's caches are the processor's and its times mean nothing.
        if (_device.IsEmulated)
            bytes = 1 << 20;
        _flush ??= _device.Rent(bytes);
        _device.Fill(_flush.Address, 0, bytes);
    }
}
