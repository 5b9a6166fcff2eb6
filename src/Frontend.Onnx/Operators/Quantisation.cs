namespace Picograd.Onnx.Operators;

/// <summary>Integers with a scale and a zero point. Products of them are summed in float64, which holds them exactly.</summary>
internal static class Quantisation
{
    public static void Add(Dictionary<string, Operation> table)
    {
        table.One(
            "QuantizeLinear",
            c =>
            {
                var type = c.Given(2)?.DType ?? Asked(c);
                return Quantised(c[0], Along(c, c[1]), c.Given(2) is { } zero ? Along(c, zero) : null, type);
            }
        );
        table.One(
            "DequantizeLinear",
            c =>
            {
                var x = c[0].To(DType.Float32);
                x = c.Given(2) is { } zero ? x - Along(c, zero).To(DType.Float32) : x;
                return (x * Along(c, c[1])).To(c[1].DType);
            }
        );
        table["DynamicQuantizeLinear"] = c =>
        {
            var x = c[0];
            var low = x.Min().Minimum(Elements.Number(0, x));
            var high = x.Max().Maximum(Elements.Number(0, x));
            var scale = (high - low) / 255;
            var zero = (-low / scale).Round().Clamp(0, 255).To(DType.UInt8);
            return [Quantised(x, scale, zero, DType.UInt8), scale, zero];
        };
        table.One(
            "MatMulInteger",
            c =>
                Centred(c, 0, c.Given(2), isRows: true).MatMul(Centred(c, 1, c.Given(3), isRows: false)).To(DType.Int32)
        );
        table.One(
            "ConvInteger",
            c =>
                Convolutions
                    .Convolve(c, Centred(c, 0, c.Given(2), isRows: false), Filter(c, 1, c.Given(3)), null)
                    .To(DType.Int32)
        );
        table.One(
            "QLinearMatMul",
            c =>
            {
                var product = Centred(c, 0, c[2], isRows: true).MatMul(Centred(c, 3, c[5], isRows: false));
                return Quantised(product * c[1].To(DType.Float64) * c[4].To(DType.Float64), c[6], c[7], c[7].DType);
            }
        );
        table.One(
            "QLinearConv",
            c =>
            {
                var product = Convolutions.Convolve(
                    c,
                    Centred(c, 0, c[2], isRows: false),
                    Filter(c, 3, c[5]),
                    c.Given(8)?.To(DType.Float64)
                );
                var scale =
                    c[1].To(DType.Float64)
                    * (c[4].Rank == 1 ? c[4].Reshape([-1, .. Enumerable.Repeat(1L, product.Rank - 2)]) : c[4]).To(
                        DType.Float64
                    );
                return Quantised(product * scale, c[6], c[7], c[7].DType);
            }
        );
    }

    // The dtype without a zero point.
    private static DType Asked(Call call)
    {
        long number = call.Node.Int("output_dtype", 0);
        if (number == 0)
            return DType.UInt8;
        return OnnxTensors.TypeOf((int)number) is { } type && !type.IsFloat() && type is not (DType.Bool or DType.Int64)
            ? type
            : throw call.Node.Wrong(
                $"quantises to {OnnxTensors.NameOf((int)number)}; known are int8, uint8, int16 and uint16"
            );
    }

    private static Tensor Along(Call call, Tensor x)
    {
        if (call.Node.Int("block_size", 0) != 0 || (x.Rank > 1 && x.NumElements != 1))
            throw call.Node.Wrong(
                "has a scale for each block, which is not supported; known are one, and one along an axis"
            );
        int rank = call[0].Rank;
        if (x.NumElements == 1 || rank == 0)
            return x.Reshape();
        int axis = call.Axis("axis", 1, rank);
        return x.Reshape([.. Enumerable.Range(0, rank).Select(d => d == axis ? -1L : 1)]);
    }

    private static Tensor Quantised(Tensor x, Tensor scale, Tensor? zero, DType type)
    {
        var (low, high) = type switch
        {
            DType.Int8 => (-128, 127),
            DType.Int16 => (-32768, 32767),
            DType.Int32 => (0, 65535),
            _ => (0, 255),
        };
        var wide = (x.To(DType.Float64) / scale.To(DType.Float64)).To(DType.Float32).Round();
        wide = zero is null ? wide : wide + zero.To(DType.Float32);
        return wide.Clamp(low, high).To(type);
    }

    private static Tensor Centred(Call call, int place, Tensor? zero, bool isRows)
    {
        var x = call[place].To(DType.Float64);
        if (zero is null)
            return x;
        // One for each row, or each column.
        var wide = zero.To(DType.Float64);
        return x
            - (
                zero.Rank == 0 || zero.NumElements == 1 ? wide.Reshape()
                : isRows && zero.Rank == 1 ? wide.Unsqueeze(-1)
                : wide
            );
    }

    private static Tensor Filter(Call call, int place, Tensor? zero)
    {
        var x = call[place].To(DType.Float64);
        if (zero is null)
            return x;
        var wide = zero.To(DType.Float64);
        return x - (zero.NumElements == 1 ? wide.Reshape() : wide.Reshape([-1, .. Enumerable.Repeat(1L, x.Rank - 1)]));
    }
}
