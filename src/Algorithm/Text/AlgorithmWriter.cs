using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Picograd.Algorithms.Operators;

namespace Picograd.Algorithms.Text;

/// <summary>Writes an algorithm as text, one statement a line.</summary>
internal sealed class AlgorithmWriter
{
    private readonly StringBuilder _text = new();
    private readonly Algorithm _algorithm;
    private readonly ImmutableArray<InputDomain> _domains;
    private readonly bool _byPosition;
    private readonly AlgorithmNames _names;

    /// <param name="algorithm">What is written.</param>
    /// <param name="domains">What each input holds; default for any numbers.</param>
    /// <param name="byPosition">Names given by position, so that texts are equal where only names differ.</param>
    public AlgorithmWriter(Algorithm algorithm, ImmutableArray<InputDomain> domains, bool byPosition)
    {
        _algorithm = OwnFunctions.Written(algorithm);
        (_domains, _byPosition) = (domains, byPosition);
        _names = new(_algorithm, byPosition);
    }

    public string Write()
    {
        Line(0, _byPosition ? "algorithm" : $"algorithm {AlgorithmNames.Quoted(_algorithm.Name)}");
        foreach (var p in _algorithm.Parameters)
            Line(1, string.Create(CultureInfo.InvariantCulture, $"parameter {_names.Of(p.Var)} in {p.Min}..{p.Max}"));
        for (int i = 0; i < _algorithm.Inputs.Length; i++)
        {
            var input = _algorithm.Inputs[i];
            string domain = _domains.IsDefault ? "" : DomainText.Of(_domains[i]);
            Line(
                1,
                $"input {_names.Of(input)}: {input.Type.Name()}[{List(input.Shape)}]{Layout(input)}{(domain.Length > 0 ? " " + domain : "")}"
            );
        }
        foreach (var reducer in _names.Defined)
        {
            var parts = new SharedParts(reducer.Result);
            _names.Enter(parts);
            Line(1, $"reducer {_names.Of(reducer)}({List(reducer.Identity)}) = {List(reducer.Result)}");
            Define(parts);
        }
        foreach (var stage in _algorithm.Stages)
        {
            var parts = new SharedParts(stage.Indices.Concat(stage.Values));
            _names.Enter(stage.Axes, parts);
            Line(1, Statement(stage));
            Define(parts);
        }
        Line(1, $"output {string.Join(", ", _algorithm.Outputs.Select(_names.Of))}");
        return _text.ToString();
    }

    private string Statement(Stage stage)
    {
        string values = List(stage.Values);
        string body = stage.Kind switch
        {
            StageKind.Map => values,
            StageKind.Reduce => $"reduce.{_names.Of(stage.Reducer!)}({values})",
            StageKind.Scan => $"scan.{_names.Of(stage.Reducer!)}({values})",
            _ => $"scatter.{_names.Of(stage.Reducer!)}({values}){Start(stage)}",
        };
        string axes = string.Join(
            ", ",
            stage.Axes.Select(a =>
                $"{_names.Of(a.Var)}<{Print(a.Extent)}"
                + (a.Kind == AxisKind.Spatial ? "" : " " + a.Kind.ToString().ToLowerInvariant())
            )
        );
        string outputs = string.Join(", ", stage.Outputs.Select((o, i) => Output(stage, o, stage.Values[i].Type)));
        return $"{outputs} = {body}{(axes.Length > 0 ? " over " + axes : "")}";
    }

    private string Output(Stage stage, Buffer output, DType value)
    {
        string type = output.Type == value ? "" : $": {output.Type.Name()}";
        bool isUsual =
            stage.Kind != StageKind.Scatter
            && output
                .Shape.AsSpan()
                .SequenceEqual([.. stage.Axes.Where(a => a.Kind != AxisKind.Reduce).Select(a => a.Extent)]);
        string shape = isUsual ? "" : $" shape[{List(output.Shape)}]";
        return $"{_names.Of(output)}[{List(stage.Indices)}]{type}{shape}{(stage.InPlace ? "" : Layout(output))}";
    }

    private string Start(Stage stage) =>
        stage.Initial is { } initial ? $" from {_names.Of(initial)}{(stage.InPlace ? " in place" : "")}" : "";

    private string Layout(Buffer buffer) =>
        !buffer.Pitches.IsDefault ? $" pitches[{List(buffer.Pitches)}]"
        : !buffer.Strides.IsDefault ? $" strides[{string.Join(", ", buffer.Strides)}]"
        : "";

    private void Define(SharedParts parts)
    {
        int i = 0;
        foreach (var part in parts.Named)
            Line(2, $"where {_names.PartName(i++)} = {ExprPrinter.PrintDefinition(part, _names)}");
    }

    private string List(ImmutableArray<Expr> exprs) => string.Join(", ", exprs.Select(Print));

    private string Print(Expr e) => ExprPrinter.Print(e, _names);

    private void Line(int depth, string text) => _text.Append(' ', 2 * depth).Append(text).Append('\n');
}
