using System.Collections.Concurrent;
using System.Globalization;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Native;

namespace Picograd.Lower.Cuda.Runtime;

/// <summary>
/// Tensor maps of one program: what bulk tensor copies are told of a tensor, 128 bytes that the driver encodes. Kept per
/// address, since tensors mostly lie where they lay the last time.
/// </summary>
internal sealed unsafe class TensorMaps(CudaDevice device, string program)
{
    /// <summary>Size of a CUtensorMap.</summary>
    public const int MapBytes = 128;

    /// <summary>And its alignment.</summary>
    public const int MapAlignment = 64;

    /// <summary>Addresses come from a pool, hence repeat; beyond so many different ones the maps are made anew.</summary>
    private const int MostMaps = 4_096;

    private const int MostDimensions = 5;

    private readonly ConcurrentDictionary<(TensorMapArgument Map, nint Address), byte[]> _encoded = [];

    /// <summary>Writes the map of a tensor at an address: <see cref="MapBytes"/> bytes, aligned.</summary>
    /// <exception cref="CudaException">The driver does not know tensor maps, or refuses this one.</exception>
    public void Write(TensorMapArgument map, nint address, byte* to)
    {
        if (_encoded.Count >= MostMaps)
            _encoded.Clear();
        _encoded.GetOrAdd((map, address), key => Encode(key.Map, key.Address)).CopyTo(new Span<byte>(to, MapBytes));
    }

    private byte[] Encode(TensorMapArgument map, nint address)
    {
        int rank = map.Extents.Length;
        string what = string.Create(
            CultureInfo.InvariantCulture,
            $"tensor map of {map.Buffer.Name} in {program}: extents {string.Join('×', map.Extents)}, strides {string.Join(", ", map.StrideBytes)} bytes, box {string.Join('×', map.Box)}, swizzle {map.SwizzleBytes}"
        );
        if (device.Driver.TensorMapEncodeTiled == null)
            throw new CudaException(
                "cuTensorMapEncodeTiled",
                $"the driver for CUDA {device.Driver.Version} has no tensor maps, which came with 12.0; {what}"
            );
        if (rank is < 1 or > MostDimensions || map.Box.Length != rank || map.StrideBytes.Length != rank - 1)
            throw new CudaException("cuTensorMapEncodeTiled", $"1 to {MostDimensions} dimensions are allowed; {what}");
        ulong* extents = stackalloc ulong[MostDimensions];
        ulong* strides = stackalloc ulong[MostDimensions];
        uint* box = stackalloc uint[MostDimensions];
        uint* steps = stackalloc uint[MostDimensions];
        for (int d = 0; d < rank; d++)
        {
            extents[d] = (ulong)map.Extents[d];
            box[d] = (uint)map.Box[d];
            steps[d] = 1;
            if (d > 0)
                strides[d - 1] = (ulong)map.StrideBytes[d - 1];
        }
        byte* space = stackalloc byte[MapBytes + MapAlignment];
        byte* encoded = (byte*)(((nint)space + MapAlignment - 1) & ~(nint)(MapAlignment - 1));
        device.Check(
            device.Driver.TensorMapEncodeTiled(
                encoded,
                CudaType.Of(map.Buffer.Type).TensorMap,
                (uint)rank,
                address,
                extents,
                strides,
                box,
                steps,
                0,
                SwizzleNumber(map.SwizzleBytes),
                // L2 promotion of 128 bytes, and zeros outside of the tensor.
                2,
                0
            ),
            "cuTensorMapEncodeTiled",
            what
        );
        return new ReadOnlySpan<byte>(encoded, MapBytes).ToArray();
    }

    // CUtensorMapSwizzle.
    private static int SwizzleNumber(int bytes) =>
        bytes switch
        {
            0 => 0,
            32 => 1,
            64 => 2,
            128 => 3,
            _ => throw new CudaException(
                "cuTensorMapEncodeTiled",
                $"a swizzle of {bytes} bytes does not exist; 0, 32, 64 and 128 do"
            ),
        };
}
