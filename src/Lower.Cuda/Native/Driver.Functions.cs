using System.Runtime.InteropServices;

namespace Picograd.Lower.Cuda.Native;

/// <summary>
/// The functions of the driver that are used, each under the symbol that CUDA 11, 12 and 13 all export (the driver keeps old
/// versions of its functions for good). Handles and device addresses are integers as wide as a pointer.
/// </summary>
public sealed unsafe partial class Driver
{
    // Version, errors, devices.
    internal readonly delegate* unmanaged<uint, int> Init;
    internal readonly delegate* unmanaged<int*, int> DriverGetVersion;
    internal readonly delegate* unmanaged<int, byte**, int> GetErrorName;
    internal readonly delegate* unmanaged<int, byte**, int> GetErrorString;
    internal readonly delegate* unmanaged<int*, int> DeviceGetCount;
    internal readonly delegate* unmanaged<int*, int, int> DeviceGet;
    internal readonly delegate* unmanaged<byte*, int, int, int> DeviceGetName;
    internal readonly delegate* unmanaged<int*, int, int, int> DeviceGetAttribute;
    internal readonly delegate* unmanaged<nuint*, int, int> DeviceTotalMem;

    // Contexts.
    internal readonly delegate* unmanaged<nint*, int, int> DevicePrimaryCtxRetain;
    internal readonly delegate* unmanaged<int, int> DevicePrimaryCtxRelease;
    internal readonly delegate* unmanaged<nint, int> CtxSetCurrent;
    internal readonly delegate* unmanaged<int> CtxSynchronize;

    // Memory.
    internal readonly delegate* unmanaged<nint*, nuint, int> MemAlloc;
    internal readonly delegate* unmanaged<nint, int> MemFree;
    internal readonly delegate* unmanaged<nuint*, nuint*, int> MemGetInfo;
    internal readonly delegate* unmanaged<nint, void*, nuint, nint, int> MemcpyHtoDAsync;
    internal readonly delegate* unmanaged<void*, nint, nuint, nint, int> MemcpyDtoHAsync;
    internal readonly delegate* unmanaged<nint, nint, nuint, nint, int> MemcpyDtoDAsync;
    internal readonly delegate* unmanaged<nint, byte, nuint, nint, int> MemsetD8Async;

    // Streams and events.
    internal readonly delegate* unmanaged<nint*, uint, int> StreamCreate;
    internal readonly delegate* unmanaged<nint, int> StreamDestroy;
    internal readonly delegate* unmanaged<nint, int> StreamSynchronize;
    internal readonly delegate* unmanaged<nint, nint, uint, int> StreamWaitEvent;
    internal readonly delegate* unmanaged<nint*, uint, int> EventCreate;
    internal readonly delegate* unmanaged<nint, int> EventDestroy;
    internal readonly delegate* unmanaged<nint, nint, int> EventRecord;
    internal readonly delegate* unmanaged<nint, int> EventSynchronize;
    internal readonly delegate* unmanaged<float*, nint, nint, int> EventElapsedTime;

    // Modules and launches.
    internal readonly delegate* unmanaged<nint*, void*, int> ModuleLoadData;
    internal readonly delegate* unmanaged<nint, int> ModuleUnload;
    internal readonly delegate* unmanaged<nint*, nint, byte*, int> ModuleGetFunction;
    internal readonly delegate* unmanaged<nint, int, int, int> FuncSetAttribute;
    internal readonly delegate* unmanaged<int*, int, nint, int> FuncGetAttribute;
    internal readonly delegate* unmanaged<
        nint,
        uint,
        uint,
        uint,
        uint,
        uint,
        uint,
        uint,
        nint,
        void**,
        void**,
        int> LaunchKernel;

    // Graphs.
    internal readonly delegate* unmanaged<nint, int, int> StreamBeginCapture;
    internal readonly delegate* unmanaged<nint, nint*, int> StreamEndCapture;
    internal readonly delegate* unmanaged<nint*, nint, ulong, int> GraphInstantiate;
    internal readonly delegate* unmanaged<nint, nint, int> GraphLaunch;
    internal readonly delegate* unmanaged<nint, int> GraphExecDestroy;
    internal readonly delegate* unmanaged<nint, int> GraphDestroy;

    // Newer drivers only; null where the driver lacks them.
    internal readonly delegate* unmanaged<LaunchConfig*, nint, void**, void**, int> LaunchKernelEx;
    internal readonly delegate* unmanaged<
        byte*,
        int,
        uint,
        nint,
        ulong*,
        ulong*,
        uint*,
        uint*,
        int,
        int,
        int,
        int,
        int> TensorMapEncodeTiled;

    private Driver(LoadedLibrary library)
    {
        Path = library.Path;
        nint handle = library.Handle;
        Init = (delegate* unmanaged<uint, int>)Get("cuInit");
        DriverGetVersion = (delegate* unmanaged<int*, int>)Get("cuDriverGetVersion");
        GetErrorName = (delegate* unmanaged<int, byte**, int>)Get("cuGetErrorName");
        GetErrorString = (delegate* unmanaged<int, byte**, int>)Get("cuGetErrorString");
        DeviceGetCount = (delegate* unmanaged<int*, int>)Get("cuDeviceGetCount");
        DeviceGet = (delegate* unmanaged<int*, int, int>)Get("cuDeviceGet");
        DeviceGetName = (delegate* unmanaged<byte*, int, int, int>)Get("cuDeviceGetName");
        DeviceGetAttribute = (delegate* unmanaged<int*, int, int, int>)Get("cuDeviceGetAttribute");
        DeviceTotalMem = (delegate* unmanaged<nuint*, int, int>)Get("cuDeviceTotalMem_v2");

        DevicePrimaryCtxRetain = (delegate* unmanaged<nint*, int, int>)Get("cuDevicePrimaryCtxRetain");
        DevicePrimaryCtxRelease = (delegate* unmanaged<int, int>)Get("cuDevicePrimaryCtxRelease_v2");
        CtxSetCurrent = (delegate* unmanaged<nint, int>)Get("cuCtxSetCurrent");
        CtxSynchronize = (delegate* unmanaged<int>)Get("cuCtxSynchronize");

        MemAlloc = (delegate* unmanaged<nint*, nuint, int>)Get("cuMemAlloc_v2");
        MemFree = (delegate* unmanaged<nint, int>)Get("cuMemFree_v2");
        MemGetInfo = (delegate* unmanaged<nuint*, nuint*, int>)Get("cuMemGetInfo_v2");
        MemcpyHtoDAsync = (delegate* unmanaged<nint, void*, nuint, nint, int>)Get("cuMemcpyHtoDAsync_v2");
        MemcpyDtoHAsync = (delegate* unmanaged<void*, nint, nuint, nint, int>)Get("cuMemcpyDtoHAsync_v2");
        MemcpyDtoDAsync = (delegate* unmanaged<nint, nint, nuint, nint, int>)Get("cuMemcpyDtoDAsync_v2");
        MemsetD8Async = (delegate* unmanaged<nint, byte, nuint, nint, int>)Get("cuMemsetD8Async");

        StreamCreate = (delegate* unmanaged<nint*, uint, int>)Get("cuStreamCreate");
        StreamDestroy = (delegate* unmanaged<nint, int>)Get("cuStreamDestroy_v2");
        StreamSynchronize = (delegate* unmanaged<nint, int>)Get("cuStreamSynchronize");
        StreamWaitEvent = (delegate* unmanaged<nint, nint, uint, int>)Get("cuStreamWaitEvent");
        EventCreate = (delegate* unmanaged<nint*, uint, int>)Get("cuEventCreate");
        EventDestroy = (delegate* unmanaged<nint, int>)Get("cuEventDestroy_v2");
        EventRecord = (delegate* unmanaged<nint, nint, int>)Get("cuEventRecord");
        EventSynchronize = (delegate* unmanaged<nint, int>)Get("cuEventSynchronize");
        EventElapsedTime = (delegate* unmanaged<float*, nint, nint, int>)Get("cuEventElapsedTime");

        ModuleLoadData = (delegate* unmanaged<nint*, void*, int>)Get("cuModuleLoadData");
        ModuleUnload = (delegate* unmanaged<nint, int>)Get("cuModuleUnload");
        ModuleGetFunction = (delegate* unmanaged<nint*, nint, byte*, int>)Get("cuModuleGetFunction");
        FuncSetAttribute = (delegate* unmanaged<nint, int, int, int>)Get("cuFuncSetAttribute");
        FuncGetAttribute = (delegate* unmanaged<int*, int, nint, int>)Get("cuFuncGetAttribute");
        LaunchKernel = (delegate* unmanaged<
            nint,
            uint,
            uint,
            uint,
            uint,
            uint,
            uint,
            uint,
            nint,
            void**,
            void**,
            int>)Get("cuLaunchKernel");

        StreamBeginCapture = (delegate* unmanaged<nint, int, int>)Get("cuStreamBeginCapture_v2");
        StreamEndCapture = (delegate* unmanaged<nint, nint*, int>)Get("cuStreamEndCapture");
        GraphInstantiate = (delegate* unmanaged<nint*, nint, ulong, int>)Get("cuGraphInstantiateWithFlags");
        GraphLaunch = (delegate* unmanaged<nint, nint, int>)Get("cuGraphLaunch");
        GraphExecDestroy = (delegate* unmanaged<nint, int>)Get("cuGraphExecDestroy");
        GraphDestroy = (delegate* unmanaged<nint, int>)Get("cuGraphDestroy");

        LaunchKernelEx = (delegate* unmanaged<LaunchConfig*, nint, void**, void**, int>)Find("cuLaunchKernelEx");
        TensorMapEncodeTiled = (delegate* unmanaged<
            byte*,
            int,
            uint,
            nint,
            ulong*,
            ulong*,
            uint*,
            uint*,
            int,
            int,
            int,
            int,
            int>)Find("cuTensorMapEncodeTiled");

        void* Find(string name) => NativeLibrary.TryGetExport(handle, name, out nint address) ? (void*)address : null;

        void* Get(string name)
        {
            void* address = Find(name);
            return address is not null
                ? address
                : throw new CudaException(
                    "load the driver",
                    $"'{library.Path}' has no function {name}; a driver of CUDA 11.4 or newer is needed"
                );
        }
    }
}

/// <summary>CUlaunchConfig.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct LaunchConfig
{
    public uint GridX;
    public uint GridY;
    public uint GridZ;
    public uint BlockX;
    public uint BlockY;
    public uint BlockZ;
    public uint SharedBytes;
    public nint Stream;
    public LaunchAttribute* Attributes;
    public uint AttributeCount;
}

/// <summary>CUlaunchAttribute: a number, and a value of 64 bytes that begins at offset 8.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal struct LaunchAttribute
{
    /// <summary>CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION.</summary>
    public const int ClusterDimension = 4;

    [FieldOffset(0)]
    public int Id;

    [FieldOffset(8)]
    public uint X;

    [FieldOffset(12)]
    public uint Y;

    [FieldOffset(16)]
    public uint Z;
}
