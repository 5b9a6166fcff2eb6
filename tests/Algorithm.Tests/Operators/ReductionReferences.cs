namespace Picograd.Tests.Operators;

/// <summary>Reductions by plain loops over every element.</summary>
internal static class ReductionReferences
{
    public static double[][] Of(Given g)
    {
        var spec = g.Spec;
        var x = g["X"];
        var shape = x.Shape;
        HashSet<long> reduced = spec.Has("axes") ? [.. spec.List("axes")] : [spec.Dim("axis")];
        int outputs = 1;
        for (int d = 0; d < shape.Length; d++)
            outputs *= reduced.Contains(d) ? 1 : (int)shape[d];
        int count = x.Length / outputs;
        var values = new double[outputs];
        var squares = new double[outputs];
        var indices = new double[outputs];
        var seen = new int[outputs];
        for (int flat = 0; flat < x.Length; flat++)
        {
            int at = 0;
            double index = 0;
            int rest = flat;
            int scale = 1;
            for (int d = shape.Length - 1; d >= 0; d--)
            {
                int place = rest % (int)shape[d];
                rest /= (int)shape[d];
                if (reduced.Contains(d))
                {
                    index = place;
                    continue;
                }
                at += place * scale;
                scale *= (int)shape[d];
            }
            double v = x.At(flat);
            bool first = seen[at]++ == 0;
            switch (spec.Name)
            {
                case "sum" or "mean" or "deviation" or "root_deviation":
                    values[at] += v;
                    squares[at] += v * v;
                    break;
                case "logsumexp":
                    values[at] += Math.Exp(v);
                    break;
                case "prod":
                    values[at] = first ? v : values[at] * v;
                    break;
                case "any":
                    values[at] = v != 0 || (!first && values[at] != 0) ? 1 : 0;
                    break;
                case "all":
                    values[at] = v != 0 && (first || values[at] != 0) ? 1 : 0;
                    break;
                default:
                    if (
                        first || (spec.Name.Contains("max", StringComparison.Ordinal) ? v > values[at] : v < values[at])
                    )
                        (values[at], indices[at]) = (v, index);
                    break;
            }
        }
        if (spec.Name == "mean")
            values = [.. values.Select(v => v / count)];
        if (spec.Name.EndsWith("deviation", StringComparison.Ordinal))
            values = [.. squares.Select((v, i) => Math.Max(0, v - values[i] * values[i] / count))];
        if (spec.Name == "root_deviation")
            values = [.. values.Select(v => Math.Sqrt(v))];
        if (spec.Name == "logsumexp")
            values = [.. values.Select(v => Math.Log(v))];
        return spec.Name.StartsWith("arg", StringComparison.Ordinal) ? [values, indices] : [values];
    }
}
