using System.Text;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>C identifiers out of names of the algorithm and the schedule, each given once.</summary>
internal sealed class NameTable
{
    // Keywords of C++, names that the compiler predefines, and names that the emitter itself uses.
    private static readonly HashSet<string> s_reserved =
    [
        .. (
            "alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl const constexpr "
            + "const_cast continue decltype default delete do double dynamic_cast else enum explicit export extern false "
            + "float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq "
            + "private protected public register reinterpret_cast restrict return short signed sizeof static static_assert "
            + "static_cast struct switch template this thread_local throw true try typedef typeid typename union unsigned "
            + "using virtual void volatile wchar_t while xor xor_eq main threadIdx blockIdx blockDim gridDim warpSize "
            + "shared exp log tanh erf sin cos sqrt floor ceil rint fabs abs min max pow y0 y1 yn j0 j1 jn gamma"
        ).Split(' '),
    ];

    private readonly HashSet<string> _taken = [];

    public NameTable() { }

    /// <param name="outer">Names that these must not hide.</param>
    public NameTable(NameTable outer) => _taken.UnionWith(outer._taken);

    /// <summary>The wish, made an identifier, with a number behind it where it is taken.</summary>
    public string Fresh(string wish)
    {
        string name = Identifier(wish);
        string unique = name;
        for (int i = 1; s_reserved.Contains(unique) || !_taken.Add(unique); i++)
            unique = $"{name}_{i}";
        return unique;
    }

    public static string Identifier(string name)
    {
        var text = new StringBuilder();
        foreach (char c in name)
            text.Append(char.IsAsciiLetterOrDigit(c) || c == '_' ? c : '_');
        if (text.Length == 0 || char.IsAsciiDigit(text[0]))
            text.Insert(0, '_');
        // Two underscores in a row, or one before a capital at the start, belong to the compiler.
        string plain = text.ToString();
        while (plain.Contains("__", StringComparison.Ordinal))
            plain = plain.Replace("__", "_", StringComparison.Ordinal);
        return plain[0] == '_' ? "v" + plain : plain;
    }
}
