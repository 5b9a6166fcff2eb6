using System.Globalization;
using System.Text;
using Picograd.Algorithms;

namespace Picograd.Dispatch;

/// <summary>Writes the text form of an operator instance from its signature; called once for each new signature.</summary>
internal delegate string SpecWriter(Family family, ReadOnlySpan<long> signature);

/// <summary>
/// One operator of the library as dispatch sees it: a number for signatures, and how a signature becomes the text form.
/// A signature is [family and dtype, then what the family's writer expects].
/// </summary>
internal sealed class Family(string name, SpecWriter write)
{
    private static int s_next;

    public string Name { get; } = name;

    public int Id { get; } = Interlocked.Increment(ref s_next);

    /// <summary>First word of a signature.</summary>
    public long Head(DType type) => Id + ((long)type << 32);

    public static DType TypeOf(ReadOnlySpan<long> signature) => (DType)(signature[0] >> 32);

    public string Spec(ReadOnlySpan<long> signature) => write(this, signature);

    /// <summary>Signature [head, n]: <c>tanh n=6400</c>.</summary>
    public static Family OfVector(string name) =>
        new(name, static (f, s) => $"{f.Name} n={Number(s[1])} dtype={TypeOf(s).Name()}");

    /// <summary>Signature [head, n] of an operator that has no choice of dtype: <c>logical_not n=6400</c>.</summary>
    public static Family OfVectorOfBools(string name) => new(name, static (f, s) => $"{f.Name} n={Number(s[1])}");

    /// <summary>
    /// Signature [head, one word a dimension: size · 8 + one bit an operand that has this dimension].
    /// </summary>
    public static Family OfBroadcast(string name, string operands) =>
        new(
            name,
            (f, s) =>
            {
                var dims = s[1..];
                int all = (1 << operands.Length) - 1;
                if (dims.Length == 1 && (dims[0] & 7) == all)
                    return $"{f.Name} n={Number(dims[0] >> 3)} dtype={TypeOf(s).Name()}";
                var text = new StringBuilder(f.Name);
                for (int o = 0; o < operands.Length; o++)
                {
                    text.Append(' ').Append(operands[o]).Append('=');
                    for (int d = 0; d < dims.Length; d++)
                        text.Append(d == 0 ? "" : "x").Append((dims[d] >> o & 1) != 0 ? dims[d] >> 3 : 1);
                }
                return text.Append(" dtype=").Append(TypeOf(s).Name()).ToString();
            }
        );

    /// <summary>
    /// Signature [head, n] of a function of n elements of a half type and a number of the type they are computed in:
    /// <c>mul a=6400 b=1 number=b dtype=bf16</c>.
    /// </summary>
    public static Family OfNumber(string name) =>
        new(name, static (f, s) => $"{f.Name} a={Number(s[1])} b=1 number=b dtype={TypeOf(s).Name()}");

    public static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
