namespace Picograd.Onnx.Operators;

/// <summary>RNN, LSTM and GRU, step by step, in either direction or both.</summary>
internal static class Recurrent
{
    public static void Add(Dictionary<string, Operation> table)
    {
        table["RNN"] = c => Run(c, 1, ["Tanh"], RnnStep);
        table["GRU"] = c => Run(c, 3, ["Sigmoid", "Tanh"], GruStep);
        table["LSTM"] = c => Run(c, 4, ["Sigmoid", "Tanh", "Tanh"], LstmStep);
    }

    /// <summary>Weights and settings of one direction.</summary>
    private sealed record Direction(
        Tensor Weight,
        Tensor Recurrence,
        Tensor? Bias,
        Tensor? RecurrentBias,
        Tensor? Peepholes,
        Func<Tensor, Tensor>[] Functions,
        long Hidden,
        Func<Tensor, Tensor> Clip,
        bool ResetsAfter,
        bool Couples
    );

    private delegate (Tensor H, Tensor? C) Step(Direction w, Tensor x, Tensor h, Tensor? c);

    private static object?[] Run(Call call, int gates, string[] functions, Step step)
    {
        bool batchFirst = call.Node.Int("layout", 0) != 0;
        var x = batchFirst ? call[0].Transpose(0, 1) : call[0];
        string direction = call.Node.Text("direction", "forward");
        int directions = direction == "bidirectional" ? 2 : 1;
        long hidden = call.Node.Int("hidden_size", call[2].Size(-1));
        var (steps, batch) = (x.Size(0), x.Size(1));
        bool hasCell = gates == 4;
        var first = Start(5);
        var firstCell = hasCell ? Start(6) : null;
        string[] names =
            call.Node.Texts("activations") ?? [.. Enumerable.Repeat(functions, directions).SelectMany(f => f)];
        float[] alphas = call.Node.Floats("activation_alpha") ?? [];
        float[] betas = call.Node.Floats("activation_beta") ?? [];
        double edge = call.Node.Float("clip", 0);
        var lengths = call.Given(4)?.To(DType.Int64);
        var all = new List<Tensor>();
        var lastH = new List<Tensor>();
        var lastC = new List<Tensor>();
        for (int d = 0; d < directions; d++)
        {
            bool backwards = direction == "reverse" || d == 1;
            var bias = call.Given(3)?.Select(0, d);
            var weights = new Direction(
                call[1].Select(0, d),
                call[2].Select(0, d),
                bias?.Narrow(0, 0, gates * hidden),
                bias?.Narrow(0, gates * hidden, gates * hidden),
                hasCell ? call.Given(7)?.Select(0, d) : null,
                [
                    .. Enumerable
                        .Range(d * functions.Length, functions.Length)
                        .Select(i => Function(call, names[i], At(alphas, i), At(betas, i))),
                ],
                hidden,
                edge > 0 ? t => t.Clamp(-edge, edge) : t => t,
                call.Node.Int("linear_before_reset", 0) != 0,
                call.Node.Int("input_forget", 0) != 0
            );
            var h = first.Select(0, d);
            var c = firstCell?.Select(0, d);
            var outputs = new Tensor[steps];
            for (long i = 0; i < steps; i++)
            {
                long t = backwards ? steps - 1 - i : i;
                var (nextH, nextC) = step(weights, x.Select(0, t), h, c);
                if (lengths is null)
                {
                    (h, c, outputs[t]) = (nextH, nextC, nextH);
                    continue;
                }
                // Behind the end of a sequence its state stays, and its output is 0.
                var goes = (lengths > t).Unsqueeze(-1);
                h = Tensor.Where(goes, nextH, h);
                c = nextC is null ? null : Tensor.Where(goes, nextC, c!);
                outputs[t] = Tensor.Where(goes, nextH, 0).To(nextH.DType);
            }
            all.Add(steps > 0 ? Tensor.Stack(outputs, 0) : Tensor.Zeros([0, batch, hidden], x.DType, x.Device));
            lastH.Add(h);
            if (c is not null)
                lastC.Add(c);
        }
        // [steps, directions, batch, hidden], or [batch, steps, directions, hidden].
        var y = Tensor.Stack([.. all], 1);
        var yh = Tensor.Stack([.. lastH], 0);
        object?[] made = [batchFirst ? y.Permute(2, 0, 1, 3) : y, batchFirst ? yh.Transpose(0, 1) : yh];
        if (!hasCell)
            return made;
        var yc = Tensor.Stack([.. lastC], 0);
        return [.. made, batchFirst ? yc.Transpose(0, 1) : yc];

        Tensor Start(int place)
        {
            if (call.Given(place) is not { } given)
                return Tensor.Zeros([directions, batch, hidden], x.DType, x.Device);
            return batchFirst ? given.Transpose(0, 1) : given;
        }
    }

    private static float? At(float[] values, int place) => place < values.Length ? values[place] : null;

    private static (Tensor, Tensor?) RnnStep(Direction w, Tensor x, Tensor h, Tensor? c) =>
        (w.Functions[0](w.Clip(Product(x, w.Weight, w.Bias) + Product(h, w.Recurrence, w.RecurrentBias))), null);

    // Gates z, r, h.
    private static (Tensor, Tensor?) GruStep(Direction w, Tensor x, Tensor h, Tensor? c)
    {
        Tensor Of(Tensor from, int gate) => from.Narrow(-1, gate * w.Hidden, w.Hidden);
        var input = Product(x, w.Weight, w.Bias);
        var recurrent = h.MatMul(w.Recurrence.T);
        var bias = w.RecurrentBias;
        var biased = bias is null ? recurrent : recurrent + bias;
        var z = w.Functions[0](w.Clip(Of(input, 0) + Of(biased, 0)));
        var r = w.Functions[0](w.Clip(Of(input, 1) + Of(biased, 1)));
        var reset = w.ResetsAfter
            ? r * Of(biased, 2)
            : Product(r * h, w.Recurrence.Narrow(0, 2 * w.Hidden, w.Hidden), bias?.Narrow(0, 2 * w.Hidden, w.Hidden));
        var fresh = w.Functions[1](w.Clip(Of(input, 2) + reset));
        return ((1 - z) * fresh + z * h, null);
    }

    // Gates i, o, f, c.
    private static (Tensor, Tensor?) LstmStep(Direction w, Tensor x, Tensor h, Tensor? c)
    {
        var sums = Product(x, w.Weight, w.Bias) + Product(h, w.Recurrence, w.RecurrentBias);
        Tensor Of(int gate) => sums.Narrow(-1, gate * w.Hidden, w.Hidden);
        Tensor Seen(Tensor gate, int peephole, Tensor cell) =>
            w.Peepholes is { } p ? gate + p.Narrow(0, peephole * w.Hidden, w.Hidden) * cell : gate;
        var i = w.Functions[0](w.Clip(Seen(Of(0), 0, c!)));
        // Coupled, what is taken in is forgotten.
        var f = w.Couples ? 1 - i : w.Functions[0](w.Clip(Seen(Of(2), 2, c!)));
        var cell = f * c! + i * w.Functions[1](w.Clip(Of(3)));
        var o = w.Functions[0](w.Clip(Seen(Of(1), 1, cell)));
        return (o * w.Functions[2](cell), cell);
    }

    private static Tensor Product(Tensor x, Tensor weight, Tensor? bias)
    {
        var made = x.MatMul(weight.T);
        return bias is null ? made : made + bias;
    }

    private static Func<Tensor, Tensor> Function(Call call, string name, float? alpha, float? beta) =>
        name.ToLowerInvariant() switch
        {
            "tanh" => x => x.Tanh(),
            "relu" => x => x.Relu(),
            "sigmoid" => x => x.Sigmoid(),
            "softsign" => x => F.Softsign(x),
            "softplus" => x => F.Softplus(x),
            "affine" => x => x * (alpha ?? 1) + (beta ?? 0),
            "leakyrelu" => x => F.LeakyRelu(x, alpha ?? 0.01),
            "thresholdedrelu" => x => Tensor.Where(x > (alpha ?? 1), x, 0),
            "scaledtanh" => x => (x * (beta ?? 1)).Tanh() * (alpha ?? 1),
            "hardsigmoid" => x => (x * (alpha ?? 0.2) + (beta ?? 0.5)).Clamp(0, 1),
            "elu" => x => F.Elu(x, alpha ?? 1),
            _ => throw call.Node.Wrong($"has the activation '{name}', which is not known"),
        };
}
