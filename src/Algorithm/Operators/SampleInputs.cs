using Picograd.Algorithms.Evaluation;

namespace Picograd.Algorithms.Operators;

/// <summary>Which numbers generated inputs have.</summary>
public enum InputKind
{
    /// <summary>Normally distributed, standard deviation 1.</summary>
    Normal,

    /// <summary>Signs at random, magnitudes 2^−12 to 2^12, uniform in the exponent.</summary>
    WideRange,

    /// <summary>Neighbours of about equal size and opposite sign, so that sums nearly cancel.</summary>
    Cancellation,
}

/// <summary>Input data for tests, certification and timing.</summary>
internal static class SampleInputs
{
    public static IReadOnlyDictionary<Buffer, NDArray> Make(OperatorSpec spec, int seed, InputKind kind)
    {
        var random = new Random(seed);
        var inputs = new Dictionary<Buffer, NDArray>();
        foreach (var input in spec.Build().Inputs)
            inputs[input] = Array(input, spec.Definition.Domain(spec, input), random, kind);
        return inputs;
    }

    private static NDArray Array(Buffer buffer, InputDomain domain, Random random, InputKind kind)
    {
        var array = new NDArray(buffer.Type, [.. buffer.Shape.Select(e => ((IntImm)e).Value)]);
        if (buffer.Type.IsFloat())
        {
            var values = array.Doubles;
            for (int i = 0; i < values.Length; i++)
                values[i] = Representable(Restrict(Draw(random, kind, i), domain, random), buffer.Type);
        }
        else
        {
            var values = array.Longs;
            for (int i = 0; i < values.Length; i++)
                values[i] = Integer(buffer.Type, domain, random);
        }
        return array;
    }

    private static double Draw(Random random, InputKind kind, int position)
    {
        double sign = random.Next(2) == 0 ? 1 : -1;
        double value = kind switch
        {
            InputKind.Normal => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()))
                * Math.Cos(2 * Math.PI * random.NextDouble()),
            InputKind.WideRange => sign * Math.Pow(2, random.NextDouble() * 24 - 12),
            _ => (position % 2 == 0 ? 1 : -1) * (1 + random.NextDouble() / 1024),
        };
        return Math.Abs(value) < 1e-4 ? sign * 1e-4 : value;
    }

    private static double Restrict(double value, InputDomain domain, Random random) =>
        domain.Kind switch
        {
            DomainKind.Positive => Math.Abs(value),
            DomainKind.Negative => -Math.Abs(value),
            DomainKind.Unit => Math.Tanh(value) * 0.999,
            DomainKind.Probability => 0.001 + 0.998 * random.NextDouble(),
            _ => value,
        };

    private static long Integer(DType type, InputDomain domain, Random random) =>
        domain.Kind switch
        {
            DomainKind.Index => random.NextInt64(domain.Limit),
            _ when type == DType.Bool => random.Next(2),
            _ when type is DType.UInt8 or DType.UInt32 => random.Next(1, 100),
            DomainKind.Positive => random.Next(1, 100),
            _ => random.Next(2) == 0 ? random.Next(1, 100) : -random.Next(1, 100),
        };

    private static double Representable(double value, DType type) =>
        type switch
        {
            DType.Float32 => (float)value,
            DType.Float16 => (double)(Half)value,
            DType.BFloat16 => BitConverter.Int32BitsToSingle(
                BitConverter.SingleToInt32Bits((float)value) & unchecked((int)0xffff0000)
            ),
            _ => value,
        };
}
