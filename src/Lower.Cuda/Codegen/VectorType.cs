using Picograd.Algorithms;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>The predefined C type that holds some consecutive elements, 2 to 16 bytes.</summary>
/// <param name="Name">float4, uint2, unsigned int, ….</param>
/// <param name="Type">Of an element.</param>
/// <param name="Lanes">Elements in it.</param>
internal sealed record VectorType(string Name, DType Type, int Lanes)
{
    public static VectorType Of(DType type, int lanes)
    {
        string name = (type, lanes * type.Size()) switch
        {
            (DType.Float32, _) => $"float{lanes}",
            (DType.Int32, _) => $"int{lanes}",
            (DType.UInt32, _) => $"uint{lanes}",
            (DType.Float64, _) => "double2",
            (DType.Int64, _) => "longlong2",
            (_, 16) => "uint4",
            (_, 8) => "uint2",
            (_, 4) => "unsigned int",
            _ => "unsigned short",
        };
        return new VectorType(name, type, lanes);
    }

    private bool IsPacked => Type.Size() < 4;

    /// <summary>Bytes of the vector, and what its address is a multiple of.</summary>
    public int Bytes => Lanes * Type.Size();

    /// <summary>The stored form of one element of a vector with a name.</summary>
    public string Element(string name, int i)
    {
        if (!IsPacked)
            return $"{name}.{"xyzw"[i]}";
        int perWord = 4 / Type.Size();
        string word = Bytes > 4 ? $"{name}.{"xyzw"[i / perWord]}" : name;
        int shift = i % perWord * 8 * Type.Size();
        string cast = CText.Stored(Type);
        return shift == 0 ? $"({cast}){word}" : $"({cast})({word} >> {shift})";
    }

    /// <summary>A vector of stored elements.</summary>
    public string Make(IReadOnlyList<string> elements, KernelContext kernel)
    {
        if (!IsPacked)
            return $"make_{Name}({string.Join(", ", elements)})";
        if (Bytes == 2)
        {
            // The sign of the lower byte is not the upper one.
            string low = Type.Info().Kind == DTypeKind.Integer && Type.Info().Signed ? "(unsigned char)" : "";
            return $"(unsigned short)({low}({elements[0]}) | ({elements[1]}) << 8)";
        }
        int perWord = 4 / Type.Size();
        var words = elements.Chunk(perWord).Select(word => $"{kernel.Use("pack")}({string.Join(", ", word)})").ToList();
        return words.Count == 1 ? words[0] : $"make_{Name}({string.Join(", ", words)})";
    }
}
