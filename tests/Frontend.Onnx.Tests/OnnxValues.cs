using Google.Protobuf;
using Picograd.Onnx;
using Picograd.Onnx.Proto;

namespace Picograd.Tests.Onnx;

/// <summary>Values of ONNX's test data, and whether two are the same within 1e-3 and 1e-5 (what ONNX's own runner asks).</summary>
internal static class OnnxValues
{
    public static object? Read(string path, DType? said)
    {
        byte[] bytes = File.ReadAllBytes(path);
        // The files do not say what they are: a tensor has its dtype in field 2, a sequence its kind.
        if (File.Exists(path) && TryTensor(bytes, path, said) is { } tensor)
            return tensor;
        // A SequenceProto of onnx-data.proto has its tensors in field 3.
        var values = new List<object?>();
        var input = new CodedInputStream(bytes);
        for (uint tag; (tag = input.ReadTag()) != 0; )
        {
            if (tag == WireFormat.MakeTag(3, WireFormat.WireType.LengthDelimited))
                values.Add(OnnxTensors.Read(TensorProto.Parser.ParseFrom(input.ReadBytes()), path));
            else
                input.SkipLastField();
        }
        return values;
    }

    private static Tensor? TryTensor(byte[] bytes, string path, DType? said)
    {
        try
        {
            var proto = TensorProto.Parser.ParseFrom(bytes);
            // NumPy, which wrote the files, has no bfloat16.
            if (said == DType.BFloat16 && proto.DataType == (int)TensorProto.Types.DataType.Uint16)
                proto.DataType = (int)TensorProto.Types.DataType.Bfloat16;
            return OnnxTensors.Read(proto, path);
        }
        catch (Exception e) when (e is InvalidDataException or InvalidProtocolBufferException)
        {
            return null;
        }
    }

    public static string Difference(object? made, object? wanted)
    {
        if (made is List<object?> list && wanted is List<object?> others)
        {
            if (list.Count != others.Count)
                return $"{list.Count} values instead of {others.Count}";
            return list.Zip(others, Difference).FirstOrDefault(d => d.Length > 0) ?? "";
        }
        if (made is not Tensor a || wanted is not Tensor b)
            return made is null && wanted is null ? "" : $"{made?.GetType().Name} instead of {wanted?.GetType().Name}";
        if (a.DType != b.DType)
            return $"{a.DType.Name()} instead of {b.DType.Name()}";
        if (!a.Shape.ToArray().SequenceEqual(b.Shape.ToArray()))
            return $"shape {a.Shape} instead of {b.Shape}";
        double[] x = a.ToDoubles();
        double[] y = b.ToDoubles();
        for (int i = 0; i < x.Length; i++)
        {
            bool same =
                x[i] == y[i]
                || (double.IsNaN(x[i]) && double.IsNaN(y[i]))
                || Math.Abs(x[i] - y[i]) <= 1e-5 + 1e-3 * Math.Abs(y[i]);
            if (!same)
                return $"element {i} is {x[i]} instead of {y[i]}";
        }
        return "";
    }
}
