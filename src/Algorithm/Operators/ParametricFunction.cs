using System.Collections.Immutable;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Functions of elements with settings, which are attributes of the operator: <c>elu n=13 alpha=0.5</c>. What the function is for
/// given settings says a <see cref="ScalarFunction"/>, with its derivatives.
/// </summary>
/// <param name="Name">The operator's.</param>
/// <param name="Doc">What it computes.</param>
/// <param name="Settings">Keys with their defaults.</param>
/// <param name="Of">The function for values of the settings.</param>
internal sealed record ParametricFunction(
    string Name,
    string Doc,
    ImmutableArray<(string Key, double By)> Settings,
    Func<double[], ScalarFunction> Of
)
{
    private static readonly string[] Operands = ["X", "T", "V"];

    /// <summary>Where what is generated for each operand lies; default for anywhere.</summary>
    public ImmutableArray<InputDomain> Domains { get; init; }

    /// <summary>Settings of the example, where the defaults make another operator of it.</summary>
    public string Example { get; init; } = "";

    /// <summary>Operands.</summary>
    public int Arity { get; init; } = 1;

    /// <summary>Element by element, with broadcasting where there are several operands.</summary>
    public OperatorDefinition Each(string name)
    {
        string[] operands = Operands[..Arity];
        string[] keys = Array.ConvertAll(operands, o => o.ToLowerInvariant());
        if (Arity == 1)
            return new(
                name,
                Doc,
                [OperatorKey.Dimension("n", "elements"), .. Keys(), OperatorKey.Types(DTypes.Floats)],
                BuildOne
            )
            {
                Example = $"{name} n=13 {Example}".TrimEnd(),
                Operands = "X[n..] -> Y[n..]",
                Domain = Domain,
            };
        return new(
            name,
            Doc + ", with broadcasting",
            [.. Elementwise.ShapeKeys(keys), .. Keys(), OperatorKey.Types(DTypes.Floats)],
            spec => BuildSeveral(spec, keys)
        )
        {
            Example = $"{name} x=3x5 t=5" + (Arity == 3 ? " v=1" : ""),
            Operands = string.Join(", ", operands.Select(o => o + "[*]")) + " -> Y[*]",
            Check = s => Elementwise.CheckShapes(s, keys),
            Domain = Domain,
        };
    }

    /// <summary>The sum or mean over all elements of operands of one shape, in one pass.</summary>
    public OperatorDefinition Reduced(string name) =>
        new(
            name,
            Doc + ", their mean or sum",
            [
                OperatorKey.Dimension("n", "elements of each operand"),
                OperatorKey.Choice("reduction", "what becomes of all elements", "mean", "sum"),
                .. Keys(),
                OperatorKey.Types(DTypes.Floats),
            ],
            BuildReduced
        )
        {
            Example = $"{name} n=35",
            Operands = string.Join(", ", Operands[..Arity].Select(o => o + "[n]")) + " -> L[]",
            Domain = Domain,
        };

    private InputDomain Domain(OperatorSpec spec, Buffer buffer)
    {
        int at = Array.IndexOf(Operands, buffer.Name);
        return Domains.IsDefault || at < 0 || at >= Domains.Length ? InputDomain.Any : Domains[at];
    }

    private IEnumerable<OperatorKey> Keys() =>
        Settings.Select(s => OperatorKey.Real(s.Key, $"{s.Key.Replace('_', ' ')} of the function", s.By));

    private ScalarFunction Function(OperatorSpec spec) => Of([.. Settings.Select(s => spec.Real(s.Key))]);

    private Algorithm BuildOne(OperatorSpec spec)
    {
        var (g, type) = (spec.Builder(), spec.Type());
        var i = new Axis("i", spec.Extent("n"));
        var x = g.Input("X", type, i.Extent);
        return g.Build(g.Stage("Y", [i], Op.Cast(type, Op.Call(Function(spec), Op.Cast(type.Compute(), x[i])))));
    }

    private Algorithm BuildSeveral(OperatorSpec spec, string[] keys)
    {
        var (g, type) = (spec.Builder(), spec.Type());
        var shapes = Array.ConvertAll(keys, key => Elementwise.ShapeOf(spec, key));
        var axes = Elementwise.Axes(Elementwise.BroadcastExtents(shapes));
        var elements = new Expr[keys.Length];
        for (int i = 0; i < keys.Length; i++)
            elements[i] = Op.Cast(
                type.Compute(),
                Elementwise.Element(g.Input(Operands[i], type, [.. shapes[i]]), axes)
            );
        return g.Build(g.Stage("Y", axes, Op.Cast(type, Op.Call(Function(spec), elements))));
    }

    private Algorithm BuildReduced(OperatorSpec spec)
    {
        var (g, type) = (spec.Builder(), spec.Type());
        var i = new Axis("i", spec.Extent("n"));
        var elements = new Expr[Arity];
        for (int o = 0; o < Arity; o++)
            elements[o] = Op.Cast(type.Compute(), g.Input(Operands[o], type, i.Extent)[i]);
        var sum = g.Stage("S", [], AlgorithmBuilder.Sum(i, Op.Call(Function(spec), elements)));
        var result =
            spec.Choice("reduction") == "sum" ? sum[[]] : sum[[]] / Elementwise.Count(i.Extent, type.Compute());
        return g.Build(g.Stage("L", [], Op.Cast(type, result)));
    }
}
