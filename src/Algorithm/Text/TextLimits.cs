namespace Picograd.Algorithms.Text;

/// <summary>
/// What a text may ask for. It is foreign data, and those who walk an algorithm recurse over its expressions and take time in
/// proportion to them written out; the library's own stay far below (the largest, normal random numbers, is 140,889 nodes
/// written out and 60 deep).
/// </summary>
internal static class TextLimits
{
    /// <summary>Characters of a text.</summary>
    public const int Characters = 1 << 20;

    /// <summary>Parentheses within one another in one line.</summary>
    public const int Nesting = 200;

    /// <summary>Operations above one another in an expression, names of its parts written out.</summary>
    public const int Height = 1000;

    /// <summary>Nodes of all expressions of a stage, names of its parts written out.</summary>
    public const long Nodes = 1 << 20;

    /// <summary>Parameters, inputs, reducers and stages, of each.</summary>
    public const int Declarations = 1000;

    /// <summary>Dimensions of a buffer and axes of a stage.</summary>
    public const int Rank = 64;

    /// <summary>Height at which the printer gives a part a name, so that what it writes stays within <see cref="Nesting"/>.</summary>
    public const int PrintedHeight = 60;

    /// <summary>Nodes of a stage, written out, from which parts that occur again get a name.</summary>
    public const long PrintedNodes = 100;

    /// <summary>Nodes from which it is worth a name.</summary>
    public const long NamedNodes = 4;
}
