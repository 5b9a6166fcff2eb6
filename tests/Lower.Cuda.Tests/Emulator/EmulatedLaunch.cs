using System.Runtime.InteropServices;
using Picograd.Lower.Cuda.Emulator;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Runtime;
using Xunit;

namespace Picograd.Tests;

/// <summary>Tests that make kernels fail run alone: the error stays with the process's device until it is taken back.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class EmulatorCollection
{
    public const string Name = "CUDA emulator";
}

/// <summary>A tensor map over one of a launch's arrays.</summary>
/// <param name="Array">Its index among the arguments.</param>
internal sealed record MapOf(int Array, int DataType, long[] Extents, long[] StrideBytes, int[] Box, int Swizzle);

/// <summary>Runs texts of CUDA C on the emulator.</summary>
internal static unsafe class EmulatedLaunch
{
    private static CudaStack Stack => CudaLibraries.Emulated();

    /// <summary>The emulated device; skips the test where it cannot be built.</summary>
    public static CudaDevice Require()
    {
        Skip.IfNot(CudaEmulator.IsAvailable(out string? whyNot), whyNot ?? "");
        var device = CudaDevice.Open(Stack);
        // A test that provoked a fault before this one may have taken back the emulator's error only.
        if (device.IsLost)
            device.Recover();
        return device;
    }

    public static Nvrtc Compiler() => Stack.Nvrtc!;

    /// <summary>
    /// Compiles a text, runs its kernel and brings the arrays back.
    /// </summary>
    /// <param name="arguments">Arrays (device memory of exactly their size), numbers, and <see cref="MapOf"/>.</param>
    /// <exception cref="CudaException">The kernel failed; the device is usable again.</exception>
    public static void Run(
        string source,
        string kernel,
        (int X, int Y, int Z) grid,
        int threads,
        int sharedBytes,
        object[] arguments,
        int cluster = 1,
        string architecture = "sm_90a"
    )
    {
        var device = Require();
        var compiled = Compiler().Compile(source, kernel, architecture);
        Assert.True(compiled.Succeeded, compiled.Log);
        using var module = new CudaModule(device, compiled.Cubin, kernel);
        device.MakeCurrent();
        var driver = device.Driver;
        var memory = new nint[arguments.Length];
        var values = new List<GCHandle>();
        try
        {
            nint function = module.Function(kernel);
            if (sharedBytes > 48 * 1024)
                driver.Check(driver.FuncSetAttribute(function, 8, sharedBytes), "cuFuncSetAttribute");
            var pointers = new nint[arguments.Length];
            for (int i = 0; i < arguments.Length; i++)
            {
                if (arguments[i] is not Array array)
                    continue;
                int bytes = System.Buffer.ByteLength(array);
                nint address;
                driver.Check(driver.MemAlloc(&address, (nuint)bytes), "cuMemAlloc");
                memory[i] = address;
                var pin = GCHandle.Alloc(array, GCHandleType.Pinned);
                driver.Check(
                    driver.MemcpyHtoDAsync(address, (void*)pin.AddrOfPinnedObject(), (nuint)bytes, 0),
                    "cuMemcpyHtoD"
                );
                pin.Free();
            }
            byte[] maps = GC.AllocateArray<byte>(128 * (arguments.Length + 1), pinned: true);
            byte* aligned = (byte*)(((nint)System.Runtime.CompilerServices.Unsafe.AsPointer(ref maps[0]) + 63) & ~63);
            for (int i = 0; i < arguments.Length; i++)
            {
                if (arguments[i] is MapOf map)
                {
                    pointers[i] = (nint)(aligned + 128 * i);
                    Encode(driver, (void*)pointers[i], map, memory[map.Array]);
                    continue;
                }
                object value = arguments[i] is Array ? memory[i] : arguments[i];
                var pin = GCHandle.Alloc(value, GCHandleType.Pinned);
                values.Add(pin);
                pointers[i] = pin.AddrOfPinnedObject();
            }
            fixed (nint* first = pointers)
                Launch(driver, function, grid, threads, sharedBytes, cluster, (void**)first);
            driver.Check(driver.StreamSynchronize(0), "cuStreamSynchronize");
            for (int i = 0; i < arguments.Length; i++)
            {
                if (arguments[i] is not Array array)
                    continue;
                var pin = GCHandle.Alloc(array, GCHandleType.Pinned);
                driver.Check(
                    driver.MemcpyDtoHAsync(
                        (void*)pin.AddrOfPinnedObject(),
                        memory[i],
                        (nuint)System.Buffer.ByteLength(array),
                        0
                    ),
                    "cuMemcpyDtoH"
                );
                pin.Free();
            }
        }
        catch (CudaException)
        {
            CudaEmulator.Recover();
            throw;
        }
        finally
        {
            foreach (var value in values)
                value.Free();
            foreach (nint address in memory.Where(a => a != 0))
                driver.Check(driver.MemFree(address), "cuMemFree");
        }
    }

    private static void Launch(
        Driver driver,
        nint function,
        (int X, int Y, int Z) grid,
        int threads,
        int sharedBytes,
        int cluster,
        void** arguments
    )
    {
        if (cluster == 1)
        {
            driver.Check(
                driver.LaunchKernel(
                    function,
                    (uint)grid.X,
                    (uint)grid.Y,
                    (uint)grid.Z,
                    (uint)threads,
                    1,
                    1,
                    (uint)sharedBytes,
                    0,
                    arguments,
                    null
                ),
                "cuLaunchKernel"
            );
            return;
        }
        // CUlaunchAttribute: id 4 is the cluster's shape.
        uint* attribute = stackalloc uint[18];
        new Span<uint>(attribute, 18).Clear();
        attribute[0] = 4;
        attribute[2] = (uint)cluster;
        attribute[3] = attribute[4] = 1;
        uint* raw = stackalloc uint[16];
        new Span<uint>(raw, 16).Clear();
        raw[0] = (uint)grid.X;
        raw[1] = (uint)grid.Y;
        raw[2] = (uint)grid.Z;
        raw[3] = (uint)threads;
        raw[4] = raw[5] = 1;
        raw[6] = (uint)sharedBytes;
        *(nint*)(raw + 10) = (nint)attribute;
        raw[12] = 1;
        driver.Check(driver.LaunchKernelEx((LaunchConfig*)raw, function, arguments, null), "cuLaunchKernelEx");
    }

    private static void Encode(Driver driver, void* map, MapOf of, nint address)
    {
        int rank = of.Extents.Length;
        ulong* extents = stackalloc ulong[5];
        ulong* strides = stackalloc ulong[5];
        uint* box = stackalloc uint[5];
        uint* steps = stackalloc uint[5];
        for (int i = 0; i < rank; i++)
        {
            extents[i] = (ulong)of.Extents[i];
            box[i] = (uint)of.Box[i];
            steps[i] = 1;
            if (i < rank - 1)
                strides[i] = (ulong)of.StrideBytes[i];
        }
        driver.Check(
            driver.TensorMapEncodeTiled(
                (byte*)map,
                of.DataType,
                (uint)rank,
                address,
                extents,
                strides,
                box,
                steps,
                0,
                of.Swizzle,
                0,
                0
            ),
            "cuTensorMapEncodeTiled"
        );
    }
}
