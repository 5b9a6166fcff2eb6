using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Native;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Runtime;

/// <summary>
/// A program loaded on a device. <see cref="Run"/> starts its launches on the thread's current stream and returns at once.
/// </summary>
public sealed unsafe class CudaKernel : ICompiledKernel
{
    /// <summary>CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: without it a block gets at most 48 KiB.</summary>
    private const int MaxDynamicShared = 8;

    /// <summary>CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED.</summary>
    private const int NonPortableClusters = 14;

    private const int PortableCluster = 8;
    private const long LongestGridX = int.MaxValue;
    private const long LongestGridYz = 65_535;

    /// <summary>What bulk tensor copies and vector accesses ask of the start of a buffer, and more.</summary>
    private const int WorkspaceAlignment = 256;

    private readonly CudaModule _module;
    private readonly nint[] _functions;
    private readonly TensorMaps _maps;
    private readonly ImmutableArray<Buffer> _memory;
    private readonly string _trace;

    /// <param name="device">Where.</param>
    /// <param name="program">What to launch.</param>
    /// <param name="compiled">Of its text, for the device's architecture.</param>
    /// <param name="trace">The schedule as text, for errors.</param>
    /// <exception cref="CudaException">The device does not take it.</exception>
    public CudaKernel(CudaDevice device, CudaProgram program, CompileResult compiled, string trace = "")
    {
        Device = device;
        Program = program;
        Report = compiled.Report;
        _trace = trace;
        _memory = [.. program.Arguments, .. program.Workspace];
        _maps = new TensorMaps(device, program.Name);
        _module = new CudaModule(device, compiled.Cubin, program.Name);
        try
        {
            _functions = [.. program.Launches.Select(Prepare)];
        }
        catch
        {
            _module.Dispose();
            throw;
        }
        WorkspaceBytes = program.Parameters.IsEmpty ? PlaceWorkspace(null, null) : 0;
    }

    public CudaDevice Device { get; }

    public CudaProgram Program { get; }

    /// <summary>Registers and spills, as the assembler reported them.</summary>
    public CompileReport Report { get; }

    /// <summary>Device memory held while it runs; 0 where it depends on symbolic extents.</summary>
    public long WorkspaceBytes { get; }

    /// <summary>Starts it. Addresses are of the device's memory.</summary>
    /// <exception cref="CudaException">A launch was refused, or an earlier kernel had failed; names the kernel and its schedule.</exception>
    /// <exception cref="CudaOutOfMemoryException">There is no room for the workspace.</exception>
    public void Run(nint* arguments, long* parameters)
    {
        Device.MakeCurrent();
        nint* addresses = stackalloc nint[Math.Max(1, _memory.Length)];
        for (int i = 0; i < Program.Arguments.Length; i++)
            addresses[i] = arguments[i];
        CudaBuffer? workspace = null;
        if (!Program.Workspace.IsEmpty)
        {
            workspace = Device.Rent(PlaceWorkspace(parameters, null));
            long* offsets = stackalloc long[Program.Workspace.Length];
            PlaceWorkspace(parameters, offsets);
            for (int i = 0; i < Program.Workspace.Length; i++)
                addresses[Program.Arguments.Length + i] = workspace.Address + (nint)offsets[i];
        }
        try
        {
            for (int i = 0; i < _functions.Length; i++)
                Launch(i, addresses, parameters);
        }
        finally
        {
            // The pool keeps the order: whoever gets this memory next runs after these kernels.
            workspace?.Dispose();
        }
        Device.CurrentStream.Recording?.Kernels.Add(this);
        // The finalizer unloads the code, which must not be before the driver has taken the launch.
        GC.KeepAlive(this);
    }

    /// <summary>Unloads it, once kernels that run have ended.</summary>
    public void Dispose() => _module.Dispose();

    /// <summary>Name and schedule, for errors.</summary>
    internal string Describe() =>
        _trace.Length == 0
            ? Program.Name
            : $"{Program.Name} with the schedule\n    {_trace.TrimEnd().ReplaceLineEndings("\n    ")}";

    private nint Prepare(CudaLaunch launch)
    {
        if (launch.Threads is < 1 or > GpuInfo.MaxThreadsPerBlock)
        {
            throw new LoweringException(
                "too-many-threads",
                $"kernel {launch.Kernel} has {launch.Threads} threads a block, but 1 to {GpuInfo.MaxThreadsPerBlock} are allowed"
            );
        }
        if (launch.SharedBytes > Device.Info.SharedBytesPerBlock)
        {
            throw new LoweringException(
                CompileReport.SharedTooLarge,
                $"kernel {launch.Kernel} asks for {launch.SharedBytes} bytes of shared memory, but a block of {Device} has at most {Device.Info.SharedBytesPerBlock}"
            );
        }
        nint function = _module.Function(launch.Kernel);
        if (launch.SharedBytes > 0)
            Set(MaxDynamicShared, (int)launch.SharedBytes, $"{launch.SharedBytes} bytes of shared memory");
        int cluster = launch.ClusterX * launch.ClusterY;
        if (cluster > 1 && Device.Driver.LaunchKernelEx == null)
        {
            throw new LoweringException(
                "no-clusters",
                $"kernel {launch.Kernel} is launched in clusters, which the driver for CUDA {Device.Driver.Version} cannot do"
            );
        }
        if (cluster > PortableCluster)
            Set(NonPortableClusters, 1, $"clusters of {cluster} blocks");
        return function;

        void Set(int attribute, int value, string what) =>
            Device.Check(
                Device.Driver.FuncSetAttribute(function, attribute, value),
                "cuFuncSetAttribute",
                $"{what} for kernel {launch.Kernel} of {Describe()}"
            );
    }

    private void Launch(int index, nint* addresses, long* parameters)
    {
        var launch = Program.Launches[index];
        long x = ExtentValue.Of(launch.GridX, Program.Parameters, parameters);
        long y = ExtentValue.Of(launch.GridY, Program.Parameters, parameters);
        long z = ExtentValue.Of(launch.GridZ, Program.Parameters, parameters);
        // A grid of no blocks is an error to the driver, and nothing to do for us.
        if (x <= 0 || y <= 0 || z <= 0)
            return;
        if (x > LongestGridX || y > LongestGridYz || z > LongestGridYz)
        {
            throw new CudaException(
                "cuLaunchKernel",
                $"a grid of {x}×{y}×{z} blocks is beyond {LongestGridX}×{LongestGridYz}×{LongestGridYz}, for kernel {launch.Kernel} of {Describe()}"
            );
        }
        int count = launch.Arguments.Length;
        void** pointers = stackalloc void*[Math.Max(1, count)];
        long* values = stackalloc long[Math.Max(1, count)];
        int mapCount = launch.Arguments.Count(a => a is TensorMapArgument);
        byte* space = stackalloc byte[mapCount * TensorMaps.MapBytes + TensorMaps.MapAlignment];
        byte* map = (byte*)(((nint)space + TensorMaps.MapAlignment - 1) & ~(nint)(TensorMaps.MapAlignment - 1));
        for (int i = 0; i < count; i++)
        {
            pointers[i] = values + i;
            switch (launch.Arguments[i])
            {
                case BufferArgument { Buffer: var buffer }:
                    values[i] = addresses[IndexOf(buffer, launch)];
                    break;
                case ParameterArgument { Parameter: var parameter }:
                    values[i] = ExtentValue.Of(parameter, Program.Parameters, parameters);
                    break;
                case TensorMapArgument tensor:
                    _maps.Write(tensor, addresses[IndexOf(tensor.Buffer, launch)], map);
                    pointers[i] = map;
                    map += TensorMaps.MapBytes;
                    break;
                default:
                    throw new InvalidOperationException(
                        $"kernel {launch.Kernel}: an argument of kind {launch.Arguments[i].GetType().Name} cannot be passed"
                    );
            }
        }
        // Before the call: a kernel of another thread may fail just then, and this one is as likely to be asked about.
        var before = Device.Started(this);
        var driver = Device.Driver;
        nint stream = Device.CurrentStream.Handle;
        int code;
        if (launch.ClusterX * launch.ClusterY == 1)
        {
            code = driver.LaunchKernel(
                _functions[index],
                (uint)x,
                (uint)y,
                (uint)z,
                (uint)launch.Threads,
                1,
                1,
                (uint)launch.SharedBytes,
                stream,
                pointers,
                null
            );
        }
        else
        {
            var cluster = new LaunchAttribute
            {
                Id = LaunchAttribute.ClusterDimension,
                X = (uint)launch.ClusterX,
                Y = (uint)launch.ClusterY,
                Z = 1,
            };
            var config = new LaunchConfig
            {
                GridX = (uint)x,
                GridY = (uint)y,
                GridZ = (uint)z,
                BlockX = (uint)launch.Threads,
                BlockY = 1,
                BlockZ = 1,
                SharedBytes = (uint)launch.SharedBytes,
                Stream = stream,
                Attributes = &cluster,
                AttributeCount = 1,
            };
            code = driver.LaunchKernelEx(&config, _functions[index], pointers, null);
        }
        if (code != DriverError.None)
            Refused(code, launch, x, y, z, before);
    }

    private void Refused(int code, CudaLaunch launch, long x, long y, long z, CudaKernel? before)
    {
        string call = launch.ClusterX * launch.ClusterY == 1 ? "cuLaunchKernel" : "cuLaunchKernelEx";
        // A launch that only learns of the fault of an earlier kernel is not to blame.
        if (CudaException.Loses(code))
            Device.Lost(code, call, before);
        Device.Driver.Check(
            code,
            call,
            string.Create(
                CultureInfo.InvariantCulture,
                $"kernel {launch.Kernel}, {x}×{y}×{z} blocks of {launch.Threads} threads, {launch.SharedBytes} bytes of shared memory, of {Describe()}"
            )
        );
    }

    private int IndexOf(Buffer buffer, CudaLaunch launch)
    {
        int index = _memory.IndexOf(buffer);
        return index >= 0
            ? index
            : throw new InvalidOperationException(
                $"kernel {launch.Kernel} takes {buffer.Name}, which is neither an argument nor workspace of {Program.Name}"
            );
    }

    /// <summary>Where each workspace buffer begins; returns the bytes of all.</summary>
    private long PlaceWorkspace(long* parameters, long* offsets)
    {
        long total = 0;
        for (int i = 0; i < Program.Workspace.Length; i++)
        {
            var buffer = Program.Workspace[i];
            if (offsets != null)
                offsets[i] = total;
            long bytes = buffer.Type.Size();
            for (int d = 0; d < buffer.Rank; d++)
                bytes *= ExtentValue.Of(buffer.Shape[d], Program.Parameters, parameters);
            total += (bytes + WorkspaceAlignment - 1) / WorkspaceAlignment * WorkspaceAlignment;
        }
        return total;
    }
}
