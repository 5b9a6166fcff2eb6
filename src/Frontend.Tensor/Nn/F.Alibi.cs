using Picograd.Algorithms;

namespace Picograd;

public static partial class F
{
    /// <summary>Slopes of heads (Press and others, 2022): of a power of two, n, 2^(−8/n), 2^(−16/n) and so on; of others what lies between is added.</summary>
    public static Tensor AlibiSlopes(long heads, DType dtype = DType.Float32, Device? device = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(heads, 1);
        long power = 1L << System.Numerics.BitOperations.Log2((ulong)heads);
        IEnumerable<double> Slopes(long n) => Enumerable.Range(1, (int)n).Select(i => Math.Pow(2, -8.0 * i / n));
        double[] slopes =
        [
            .. Slopes(power),
            .. Slopes(2 * power).Where((_, i) => i % 2 == 0).Take((int)(heads - power)),
        ];
        return Tensor.From<double>(slopes).To(dtype).ToDevice(device ?? Device.Cpu);
    }

    /// <summary>[heads, tq, tk]: what is added to scores, −slope · distance, with the last query at the last key.</summary>
    public static Tensor AlibiBias(long heads, long tq, long tk, DType dtype = DType.Float32, Device? device = null)
    {
        var slopes = AlibiSlopes(heads, dtype, device);
        var keys = Tensor.Arange(tk, slopes.Device);
        var queries = Tensor.Arange(tq, slopes.Device) + (tk - tq);
        var distances = (keys - queries.Unsqueeze(1)).Abs().To(dtype);
        return -slopes.Reshape(heads, 1, 1) * distances;
    }
}
