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

    /// <summary>
    /// Ones, but for the first input's first element and one in 4,096 of it, which are 2^24: beside that a Float32 accumulator loses
    /// every one, so that a long sum shows how many terms went into one.
    /// </summary>
    Spikes,

    /// <summary>
    /// For functions of single elements: signed zeros, denormal and huge numbers, infinities, NaN, neighbours of whole numbers, of
    /// their halves and of multiples of π/2, and patterns of bits drawn at random.
    /// </summary>
    Extreme,
}

/// <summary>Input data for tests, certification and timing.</summary>
internal static class SampleInputs
{
    private const int DrawnBits = 18;

    /// <summary>Elements that are drawn one by one; those of larger arrays are picked from so many.</summary>
    private const int MostDrawn = 1 << DrawnBits;

    /// <summary>
    /// Elements of the largest array that is held. A larger one is a pattern: to hold and fill 67 million elements, eight bytes
    /// each, takes a second, and to write them out as much again; a pattern is written at the speed of memory.
    /// </summary>
    private const long MostHeld = 1L << 22;

    /// <summary>
    /// What certification runs an operator on: extremes tell nothing of operators that mix elements, and what integers they become
    /// is not stated.
    /// </summary>
    public static IEnumerable<InputKind> KindsFor(Algorithm algorithm) =>
        Enum.GetValues<InputKind>()
            .Where(k => k != InputKind.Extreme || algorithm.Stages.All(s => s.Kind == StageKind.Map && !Truncates(s)))
            .Where(k =>
                k != InputKind.Spikes || algorithm.Stages.Any(s => s.Kind is StageKind.Reduce or StageKind.Scan)
            );

    private static bool Truncates(Stage stage) =>
        stage
            .Values.SelectMany(v => v.Nodes())
            .Any(n => n is Cast { To: not DType.Bool } c && c.A.Type.IsFloat() && !c.To.IsFloat());

    public static IReadOnlyDictionary<Buffer, NDArray> Make(Problem problem, int seed, InputKind kind)
    {
        var random = new Random(seed);
        var inputs = new Dictionary<Buffer, NDArray>();
        foreach (var input in problem.Algorithm.Inputs)
        {
            var domain = problem.DomainOf(input);
            bool first = inputs.Count == 0;
            inputs[input] =
                Large(input, domain, random, kind, first) ?? Unified(input, Array(input, domain, random, kind, first));
        }
        if (problem.Operator is { } spec)
            spec.Definition.Complete?.Invoke(spec, inputs, seed, kind);
        return inputs;
    }

    /// <summary>The elements rounded to what their type holds.</summary>
    public static NDArray Representable(NDArray array)
    {
        if (!array.Type.IsFloat())
            return array;
        double[] rounded = [.. array.Doubles.Select(x => Representable(x, array.Type))];
        return NDArray.Of(array.Type, array.Shape.AsSpan(), rounded);
    }

    /// <summary>
    /// Gives elements that share a place in memory (strides of 0, strides that overlap) one value, that of the last of them:
    /// what memory holds after all were written, so that an array and its memory say the same.
    /// </summary>
    private static NDArray Unified(Buffer buffer, NDArray array)
    {
        if (buffer.Strides.IsDefault || array.Length == 0)
            return array;
        var last = new Dictionary<long, int>();
        var offsets = new long[array.Length];
        for (int i = 0; i < offsets.Length; i++)
        {
            long rest = i;
            for (int d = array.Shape.Length - 1; d >= 0; d--)
            {
                offsets[i] += rest % array.Shape[d] * buffer.Strides[d];
                rest /= array.Shape[d];
            }
            last[offsets[i]] = i;
        }
        if (last.Count == offsets.Length)
            return array;
        for (int i = 0; i < offsets.Length; i++)
        {
            if (buffer.Type.IsFloat())
                array.Doubles[i] = array.Doubles[last[offsets[i]]];
            else
                array.Longs[i] = array.Longs[last[offsets[i]]];
        }
        return array;
    }

    /// <summary>An array beyond <see cref="MostHeld"/> as a pattern of drawn elements; null for a smaller one.</summary>
    private static NDArray? Large(Buffer buffer, InputDomain domain, Random random, InputKind kind, bool first)
    {
        long[] shape = [.. buffer.Shape.Select(e => ((IntImm)e).Value)];
        if (shape.Aggregate((Int128)1, (n, e) => n * e) <= MostHeld)
            return null;
        var drawn = Array(new Buffer(buffer.Name, buffer.Type, [MostDrawn]), domain, random, kind, first);
        return NDArray.Pattern(buffer.Type, shape, drawn.Held, buffer.Strides);
    }

    private static NDArray Array(Buffer buffer, InputDomain domain, Random random, InputKind kind, bool first)
    {
        var array = new NDArray(buffer.Type, [.. buffer.Shape.Select(e => ((IntImm)e).Value)]);
        if (buffer.Type.IsFloat())
        {
            var values = array.Doubles;
            int drawn = Math.Min(values.Length, MostDrawn);
            for (int i = 0; i < drawn; i++)
                values[i] = Representable(
                    kind == InputKind.Extreme
                        ? Extreme(random, domain, buffer.Type)
                        : Restrict(Draw(random, kind, i, first), domain, random),
                    buffer.Type
                );
            Pick(values, drawn, random);
        }
        else
        {
            var values = array.Longs;
            int drawn = Math.Min(values.Length, MostDrawn);
            for (int i = 0; i < drawn; i++)
                values[i] = Integer(buffer.Type, domain, random);
            Pick(values, drawn, random);
        }
        return array;
    }

    /// <summary>
    /// Fills the rest of a large array with what was drawn, at places from a generator of a few instructions (Marsaglia's
    /// xorshift64*): 50 million logits take 0.3 s, where drawing each took 2.6. Pairs stay pairs, and even positions even
    /// ones, so that cancelling neighbours still cancel.
    /// </summary>
    private static void Pick<T>(T[] values, int drawn, Random random)
    {
        ulong state = (ulong)random.NextInt64() | 1;
        for (int i = drawn; i < values.Length; i += 2)
        {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            int from = (int)(state * 0x2545F4914F6CDD1D >> (64 - DrawnBits)) & ~1;
            values[i] = values[from];
            if (i + 1 < values.Length)
                values[i + 1] = values[from + 1];
        }
    }

    private static double Draw(Random random, InputKind kind, int position, bool first)
    {
        double sign = random.Next(2) == 0 ? 1 : -1;
        double value = kind switch
        {
            InputKind.Normal => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()))
                * Math.Cos(2 * Math.PI * random.NextDouble()),
            InputKind.WideRange => sign * Math.Pow(2, random.NextDouble() * 24 - 12),
            InputKind.Spikes => first && (position == 0 || random.Next(4096) == 0) ? 1 << 24 : 1,
            _ => (position % 2 == 0 ? 1 : -1) * (1 + random.NextDouble() / 1024),
        };
        return Math.Abs(value) < 1e-4 ? sign * 1e-4 : value;
    }

    private static double Extreme(Random random, InputDomain domain, DType type)
    {
        bool wide = type == DType.Float64;
        double sign = random.Next(2) == 0 ? 1 : -1;
        // Neighbours by up to three units in the last place of a Float32, or of a Float64.
        double off = 1 + random.Next(-3, 4) * Math.Pow(2, wide ? -52 : -23);
        double value = random.Next(8) switch
        {
            0 => sign * random.Next(3),
            1 => sign * (random.Next(4) == 0 ? double.NaN : double.PositiveInfinity),
            2 => sign * random.Next(1, 300) * (wide ? double.Epsilon : float.Epsilon),
            3 => sign * random.Next(-2000, 2000) / 2.0 * off,
            4 => sign * Math.Pow(2, random.Next(0, wide ? 50 : 22)) * random.NextDouble() * off,
            5 => Math.Round(sign * Math.Pow(2, random.Next(0, wide ? 60 : 30))) * (Math.PI / 2) * off,
            _ when wide => BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue)),
            _ => BitConverter.Int32BitsToSingle((int)random.NextInt64(int.MinValue, int.MaxValue)),
        };
        return domain.Kind switch
        {
            DomainKind.Positive => Math.Abs(value),
            DomainKind.Negative => -Math.Abs(value),
            DomainKind.Unit => Math.Tanh(value),
            DomainKind.AboveOne => 1 + Math.Abs(value),
            DomainKind.AboveMinusOne => value < 0 ? Math.Tanh(value) : value,
            DomainKind.Probability => 0.001 + 0.998 * random.NextDouble(),
            _ => value,
        };
    }

    private static double Restrict(double value, InputDomain domain, Random random) =>
        domain.Kind switch
        {
            DomainKind.Positive => Math.Abs(value),
            DomainKind.Negative => -Math.Abs(value),
            DomainKind.Unit => Math.Tanh(value) * 0.999,
            DomainKind.AboveOne => 1.001 + Math.Abs(value),
            DomainKind.AboveMinusOne => value < 0 ? Math.Tanh(value) * 0.999 : value,
            DomainKind.Probability => 0.001 + 0.998 * random.NextDouble(),
            _ => value,
        };

    private static long Integer(DType type, InputDomain domain, Random random) =>
        domain.Kind switch
        {
            DomainKind.Index => random.NextInt64(domain.Limit),
            _ when type == DType.Bool => random.Next(2),
            _ when !type.Info().Signed => random.Next(1, 100),
            DomainKind.Positive => random.Next(1, 100),
            _ => random.Next(2) == 0 ? random.Next(1, 100) : -random.Next(1, 100),
        };

    private static double Representable(double value, DType type) => type.IsFloat() ? type.Info().Round(value) : value;
}
