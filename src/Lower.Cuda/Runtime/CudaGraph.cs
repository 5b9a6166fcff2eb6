using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Passes;

namespace Picograd.Lower.Cuda.Runtime;

/// <summary>
/// A recorded sequence of kernels that is started as one: a launch costs the processor some microseconds, a replay of many
/// hardly more. Addresses and numbers are those of the recording.
/// </summary>
public sealed unsafe class CudaGraph : IDisposable
{
    // CU_STREAM_CAPTURE_MODE_RELAXED: taking memory from the driver stays allowed.
    private const int Relaxed = 2;

    private readonly CudaDevice _device;
    private readonly GraphResources _resources;
    private nint _graph;
    private nint _executable;

    private CudaGraph(CudaDevice device, nint graph, nint executable, GraphResources resources)
    {
        _device = device;
        _graph = graph;
        _executable = executable;
        _resources = resources;
    }

    /// <summary>Records what an action starts on this thread; none of it runs yet. Copies to main memory cannot be recorded.</summary>
    /// <exception cref="CudaException">Something in it cannot be recorded.</exception>
    public static CudaGraph Record(CudaDevice device, Action action)
    {
        using var stream = new CudaStream(device);
        var resources = new GraphResources();
        device.Check(device.Driver.StreamBeginCapture(stream.Handle, Relaxed), "cuStreamBeginCapture");
        stream.Recording = resources;
        nint graph = 0;
        bool ended = false;
        try
        {
            using (device.Use(stream))
                action();
            ended = true;
            device.Check(device.Driver.StreamEndCapture(stream.Handle, &graph), "cuStreamEndCapture");
            stream.Recording = null;
            nint executable;
            device.Check(device.Driver.GraphInstantiate(&executable, graph, 0), "cuGraphInstantiateWithFlags");
            return new CudaGraph(device, graph, executable, resources);
        }
        catch
        {
            // The recording must be ended before the stream can be; what it holds is of no use.
            if (!ended && device.Driver.StreamEndCapture(stream.Handle, &graph) != DriverError.None)
                graph = 0;
            if (graph != 0)
                device.Driver.GraphDestroy(graph);
            stream.Recording = null;
            device.Memory.Return(resources.Memory);
            throw;
        }
    }

    /// <summary>Starts the recorded sequence on this thread's current stream.</summary>
    public void Launch()
    {
        ObjectDisposedException.ThrowIf(_executable == 0, this);
        _device.MakeCurrent();
        _device.Check(_device.Driver.GraphLaunch(_executable, _device.CurrentStream.Handle), "cuGraphLaunch");
    }

    /// <summary>Waits for the device, then gives back what the recording held.</summary>
    public void Dispose()
    {
        if (_executable == 0 || _device.IsLost)
            return;
        _device.Synchronize();
        _device.Check(_device.Driver.GraphExecDestroy(_executable), "cuGraphExecDestroy");
        _device.Check(_device.Driver.GraphDestroy(_graph), "cuGraphDestroy");
        _executable = 0;
        _graph = 0;
        _device.Memory.Return(_resources.Memory);
        _resources.Memory.Clear();
        _resources.Kernels.Clear();
    }
}

/// <summary>What a graph holds as long as it can be replayed.</summary>
internal sealed class GraphResources
{
    /// <summary>Memory that was given back while it was recorded.</summary>
    public List<CudaBlock> Memory { get; } = [];

    /// <summary>Kernels that it starts, whose code must stay loaded.</summary>
    public HashSet<CudaKernel> Kernels { get; } = [];
}
