using TorchSharp;
using static TorchSharp.torch;

namespace Picograd.Compare;

/// <summary>What a case came to: null where both agree, else what differs.</summary>
internal static class Comparison
{
    /// <summary>Runs a case in both libraries and compares what they refuse, dtypes, shapes, values and gradients.</summary>
    public static string? Of(Trial trial)
    {
        using var scope = Tensor.Scope();
        using var dispose = torch.NewDisposeScope();
        var ours = Run(() => Ours(trial));
        var theirs = Run(() => Theirs(trial));
        if (ours.Refusal is not null && theirs.Refusal is not null)
            return null;
        if (ours.Refusal is { } refusal)
            return $"refused here: {refusal}";
        if (theirs.Refusal is { } other)
            return $"refused there: {other}";
        var (a, b) = (ours.Outcome!, theirs.Outcome!);
        if (a.Results.Length != b.Results.Length)
            return $"{a.Results.Length} results, {b.Results.Length} there";
        double scale = Scale(trial);
        // Where a float of fewer digits takes part nothing is exact to more.
        var coarse = trial.Inputs.Where(s => s.IsFloat).Select(s => s.Type).Append(DType.Float64).MinBy(Digits);
        for (int i = 0; i < a.Results.Length; i++)
            if (
                Differ(a.Results[i], b.Results[i], trial.Terms * trial.Units, scale, coarse, trial.ShapesOnly) is
                { } difference
            )
                return (a.Results.Length > 1 ? $"result {i}: " : "") + difference;
        for (int i = 0; i < a.Gradients.Length; i++)
        {
            if (a.Gradients[i] is { } x && b.Gradients[i] is { } y)
            {
                double largest = y.Floats!.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(0).Max();
                largest = Math.Max(Math.Max(largest, 1), scale);
                if (Differ(x, y, 64 * Math.Max(trial.Terms, 8), largest, coarse, false) is { } difference)
                    return $"gradient {i}: {difference}";
            }
            else if (a.Gradients[i] is not null || b.Gradients[i] is not null)
                return $"gradient {i}: {(a.Gradients[i] is null ? "none" : "there is one")} here, {(b.Gradients[i] is null ? "none" : "there is one")} there";
        }
        return null;
    }

    private sealed record Elements(string Type, long[] Shape, double[]? Floats, long[]? Whole);

    private sealed record Outcome(Elements[] Results, Elements?[] Gradients);

    /// <summary>Refusals are exceptions that both libraries document; anything else is a fault and ends the run.</summary>
    private static (Outcome? Outcome, string? Refusal) Run(Func<Outcome> run)
    {
        try
        {
            return (run(), null);
        }
        catch (Exception e)
            when (e
                    is ArgumentException
                        or InvalidOperationException
                        or NotSupportedException
                        or IndexOutOfRangeException
                        or OverflowException
                        or System.Runtime.InteropServices.ExternalException
            )
        {
            return (null, e.Message.Split('\n')[0]);
        }
    }

    private static Outcome Ours(Trial trial)
    {
        var leaves = trial.Inputs.Select(s => s.Ours()).ToArray();
        bool gradients = trial.Gradients && trial.Inputs.Any(s => s.IsFloat);
        if (gradients)
            for (int i = 0; i < leaves.Length; i++)
                if (trial.Inputs[i].IsFloat)
                    leaves[i].RequiresGrad_();
        var results = trial.Ours([.. leaves.Select((l, i) => trial.Inputs[i].Place(l))]);
        Tensor? loss = null;
        for (int i = 0; gradients && i < results.Length; i++)
            if (results[i].RequiresGrad)
            {
                var weights = Weights(results[i].NumElements, i);
                var part = (results[i] * Tensor.From(weights, results[i].Shape.ToArray()).To(results[i].DType)).Sum();
                loss = loss is null ? part : loss + part.To(loss.DType);
            }
        loss?.Backward();
        return new([.. results.Select(Read)], [.. leaves.Select(l => l.Grad is { } g ? Read(g) : null)]);
    }

    private static Outcome Theirs(Trial trial)
    {
        var leaves = trial.Inputs.Select(s => s.Theirs()).ToArray();
        bool gradients = trial.Gradients && trial.Inputs.Any(s => s.IsFloat);
        if (gradients)
            for (int i = 0; i < leaves.Length; i++)
                if (trial.Inputs[i].IsFloat)
                    leaves[i].requires_grad_();
        var results = trial.Theirs([.. leaves.Select((l, i) => trial.Inputs[i].Place(l))]);
        TorchTensor? loss = null;
        for (int i = 0; gradients && i < results.Length; i++)
            if (results[i].requires_grad)
            {
                var weights = torch.tensor(Weights(results[i].numel(), i), dtype: ScalarType.Float64);
                var part = (results[i] * weights.reshape(results[i].shape).to_type(results[i].dtype)).sum();
                loss = loss is null ? part : loss + part.to_type(loss.dtype);
            }
        loss?.backward();
        return new([.. results.Select(Read)], [.. leaves.Select(l => l.grad is { } g ? Read(g) : null)]);
    }

    /// <summary>What the elements of a result count for in the loss: no two alike, none 0.</summary>
    private static double[] Weights(long count, int result)
    {
        var weights = new double[count];
        for (int i = 0; i < weights.Length; i++)
            weights[i] = (float)(((i * 37 + result * 11) % 41 - 20.5) / 16);
        return weights;
    }

    private static Elements Read(Tensor of)
    {
        string type = of.DType.ToString().ToLowerInvariant();
        return of.DType.IsFloat()
            ? new(type, of.Shape.ToArray(), of.ToDoubles(), null)
            : new(type, of.Shape.ToArray(), null, of.To(DType.Int64).ToArray<long>());
    }

    private static Elements Read(TorchTensor of)
    {
        string type = of.dtype == ScalarType.Byte ? "uint8" : of.dtype.ToString().ToLowerInvariant();
        var flat = of.detach().contiguous().reshape(-1);
        return of.is_floating_point()
            ? new(type, of.shape, flat.to_type(ScalarType.Float64).data<double>().ToArray(), null)
            : new(type, of.shape, null, flat.to_type(ScalarType.Int64).data<long>().ToArray());
    }

    /// <summary>The largest product of as many input elements as are multiplied in a term.</summary>
    private static double Scale(Trial trial)
    {
        if (trial.Terms <= 1)
            return 0;
        double largest = trial
            .Inputs.Where(s => s.IsFloat)
            .SelectMany(s => (double[])s.Values)
            .Where(double.IsFinite)
            .Select(Math.Abs)
            .DefaultIfEmpty(1)
            .Max();
        return Math.Pow(Math.Max(largest, 1e-30), trial.Degree);
    }

    private static int Digits(DType type) => type.Info().Significand;

    private static string? Differ(Elements a, Elements b, double units, double scale, DType coarse, bool shapesOnly)
    {
        if (a.Type != b.Type)
            return $"{a.Type} here, {b.Type} there";
        if (!a.Shape.AsSpan().SequenceEqual(b.Shape))
            return $"[{string.Join(',', a.Shape)}] here, [{string.Join(',', b.Shape)}] there";
        if (shapesOnly)
            return null;
        if (a.Whole is { } whole)
        {
            for (int i = 0; i < whole.Length; i++)
                if (whole[i] != b.Whole![i])
                    return $"element {i} is {whole[i]} here, {b.Whole[i]} there";
            return null;
        }
        var type = DTypes.Parse(a.Type)!.Value;
        var info = (Digits(type) < Digits(coarse) ? type : coarse).Info();
        double unit = Math.ScaleB(1, 1 - info.Significand);
        double least = 4 * Math.ScaleB(1, info.LeastExponent + 1 - info.Significand);
        for (int i = 0; i < a.Floats!.Length; i++)
        {
            double x = a.Floats[i];
            double y = b.Floats![i];
            if (x.Equals(y) || x == y)
                continue;
            if (!(Math.Abs(x - y) <= units * unit * (Math.Abs(y) + scale) + least))
                return FormattableString.Invariant($"element {i} is {x:R} here, {y:R} there");
        }
        return null;
    }
}
