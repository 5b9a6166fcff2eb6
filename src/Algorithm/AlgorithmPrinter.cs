using System.Text;

namespace Picograd.Algorithms;

/// <summary>An algorithm as text: parameters, inputs, then one line a stage.</summary>
public static class AlgorithmPrinter
{
    public static string Print(Algorithm algorithm)
    {
        var text = new StringBuilder();
        text.Append("algorithm ").AppendLine(algorithm.Name);
        foreach (var p in algorithm.Parameters)
            text.AppendLine($"  parameter {p.Name} in {p.Min}..{p.Max}");
        foreach (var input in algorithm.Inputs)
        {
            string strides = input.Strides.IsDefault ? "" : $" strides[{string.Join(", ", input.Strides)}]";
            text.AppendLine($"  input {input}{strides}");
        }
        foreach (var stage in algorithm.Stages)
            text.Append("  ").AppendLine(Print(stage));
        text.AppendLine($"  output {string.Join(", ", algorithm.Outputs.Select(o => o.Name))}");
        return text.ToString();
    }

    public static string Print(Stage stage)
    {
        string outputs = string.Join(", ", stage.Outputs.Select(o => $"{o.Name}[{string.Join(", ", stage.Indices)}]"));
        string values = string.Join(", ", stage.Values);
        string axes = string.Join(
            ", ",
            stage.Axes.Select(a => a.Kind == AxisKind.Spatial ? $"{a}" : $"{a} {a.Kind.ToString().ToLowerInvariant()}")
        );
        string body = stage.Kind switch
        {
            StageKind.Map => values,
            StageKind.Reduce => $"{stage.Reducer!.Name}({values})",
            StageKind.Scan => $"scan.{stage.Reducer!.Name}({values})",
            _ =>
                $"scatter.{stage.Reducer!.Name}({values}, from {stage.Initial?.Name ?? "identity"}{(stage.InPlace ? " in place" : "")})",
        };
        return $"{outputs} = {body} over {axes}";
    }
}
