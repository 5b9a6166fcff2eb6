using TorchSharp;
using TorchModule = TorchSharp.torch.nn.Module;

namespace Picograd.Compare.Cases;

// Modules with the same parameters, by name: results and the gradients of all parameters.
internal static partial class LayerCases
{
    private static IEnumerable<Subject> Networks()
    {
        yield return new("RNN", d => Recurrent(d, "RNN"));
        yield return new("LSTM", d => Recurrent(d, "LSTM"));
        yield return new("GRU", d => Recurrent(d, "GRU"));
        yield return new("MultiheadAttention", Attention);
        yield return new("TransformerEncoderLayer", d => TransformerLayer(d, decoder: false));
        yield return new("TransformerDecoderLayer", d => TransformerLayer(d, decoder: true));
        yield return new("EmbeddingBag", Bag);
        yield return new("Bilinear", Bilinear);
    }

    private static Trial Recurrent(Draw d, string kind)
    {
        var type = d.Pick(DType.Float32, DType.Float64);
        var (inputs, hidden, layers) = (d.Between(1, 5), d.Between(1, 6), d.Between(1, 2));
        var (bias, first, both) = (d.Chance(0.7), d.Chance(0.5), d.Chance(0.4));
        // libtorch's C++ modules take no sequence alone, nor keys and values of two sizes.
        bool single = false;
        long[] shape = single ? [d.Between(1, 5), inputs] : [d.Between(1, 4), d.Between(1, 4), inputs];
        bool states = d.Chance(0.4);
        long batch = single ? 1 : shape[first ? 0 : 1];
        long[] start = single ? [layers * (both ? 2 : 1), hidden] : [layers * (both ? 2 : 1), batch, hidden];
        Sample[] samples = states
            ? [d.Of(shape, type, tame: true), d.Of(start, type, tame: true), d.Of(start, type, tame: true)]
            : [d.Of(shape, type, tame: true)];
        return Network(
            $"{kind}({inputs}, {hidden}, {layers}, {bias}, {first}, {both})",
            samples,
            type,
            () =>
                kind switch
                {
                    "LSTM" => new LSTM(inputs, hidden, layers, bias, first, bidirectional: both),
                    "GRU" => new GRU(inputs, hidden, layers, bias, first, bidirectional: both),
                    _ => new RNN(inputs, hidden, layers, "tanh", bias, first, bidirectional: both),
                },
            () =>
                kind switch
                {
                    "LSTM" => torch.nn.LSTM(inputs, hidden, layers, bias, first, 0, both),
                    "GRU" => torch.nn.GRU(inputs, hidden, layers, bias, first, 0, both),
                    _ => torch.nn.RNN(inputs, hidden, layers, torch.nn.NonLinearities.Tanh, bias, first, 0, both),
                },
            (m, t) =>
            {
                switch (m)
                {
                    case LSTM lstm:
                        var (y, (h, c)) = lstm.Forward(t[0], states ? (t[1], t[2]) : null);
                        return [y, h, c];
                    case GRU gru:
                        var (u, v) = gru.Forward(t[0], states ? t[1] : null);
                        return [u, v];
                    default:
                        var (p, q) = ((RNN)m).Forward(t[0], states ? t[1] : null);
                        return [p, q];
                }
            },
            (m, t) =>
            {
                switch (m)
                {
                    case TorchSharp.Modules.LSTM lstm:
                        var (y, h, c) = lstm.forward(t[0], states ? (t[1], t[2]) : null);
                        return [y, h, c];
                    case TorchSharp.Modules.GRU gru:
                        var (u, v) = gru.forward(t[0], states ? t[1] : null);
                        return [u, v];
                    default:
                        var (p, q) = ((TorchSharp.Modules.RNN)m).forward(t[0], states ? t[1] : null);
                        return [p, q];
                }
            }
        );
    }

    private static Trial Attention(Draw d)
    {
        var type = d.Pick(DType.Float32, DType.Float64);
        var heads = d.Between(1, 3);
        long e = heads * d.Between(1, 4);
        var (t, s, b) = (d.Between(1, 4), d.Between(1, 5), d.Between(1, 3));
        bool own = d.Chance(0.4);
        (long Key, long Value) sizes = d.Chance(0.3) ? (3, 3) : (e, e);
        var (bias, masked, weights) = (d.Chance(0.7), d.Chance(0.5), d.Chance(0.6));
        if (own)
            (s, sizes) = (t, (e, e));
        Sample query = d.Of([t, b, e], type, tame: true);
        Sample[] samples = own
            ? [query, d.Of([t, s], type, tame: true)]
            :
            [
                query,
                d.Of([t, s], type, tame: true),
                d.Of([s, b, sizes.Key], type, tame: true),
                d.Of([s, b, sizes.Value], type, tame: true),
            ];
        return Network(
            $"MultiheadAttention({e}, {heads}, {bias}, mask {masked}, weights {weights}, own {own}, {sizes})",
            samples,
            type,
            () => new MultiheadAttention(e, heads, bias: bias, kdim: sizes.Key, vdim: sizes.Value),
            () => torch.nn.MultiheadAttention(e, heads, 0, bias, false, false, sizes.Key, sizes.Value),
            (m, x) =>
            {
                var (k, v) = own ? (x[0], x[0]) : (x[2], x[3]);
                var (y, w) = ((MultiheadAttention)m).Forward(
                    x[0],
                    k,
                    v,
                    needWeights: weights,
                    attnMask: masked ? x[1].Detach() : null
                );
                return weights ? [y, w!] : [y];
            },
            (m, x) =>
            {
                var (k, v) = own ? (x[0], x[0]) : (x[2], x[3]);
                var result = ((TorchSharp.Modules.MultiheadAttention)m).forward(
                    x[0],
                    k,
                    v,
                    null!,
                    weights,
                    masked ? x[1].detach() : null!
                );
                return weights ? [result.Item1, result.Item2] : [result.Item1];
            }
        );
    }

    private static Trial TransformerLayer(Draw d, bool decoder)
    {
        var type = d.Pick(DType.Float32, DType.Float64);
        var heads = d.Between(1, 3);
        long e = heads * d.Between(1, 4);
        var (t, s, b, f) = (d.Between(1, 4), d.Between(1, 5), d.Between(1, 3), d.Between(1, 7));
        bool gelu = d.Chance(0.5);
        var activation = gelu ? torch.nn.Activations.GELU : torch.nn.Activations.ReLU;
        return Network(
            $"Transformer{(decoder ? "Decoder" : "Encoder")}Layer({e}, {heads}, {f}, gelu {gelu})",
            [d.Of([t, b, e], type, tame: true), d.Of([s, b, e], type, tame: true)],
            type,
            () =>
                decoder
                    ? new TransformerDecoderLayer(e, heads, f, 0, gelu ? "gelu" : "relu")
                    : new TransformerEncoderLayer(e, heads, f, 0, gelu ? "gelu" : "relu"),
            () =>
                decoder
                    ? torch.nn.TransformerDecoderLayer(e, heads, f, 0, activation)
                    : torch.nn.TransformerEncoderLayer(e, heads, f, 0, activation),
            (m, x) =>
                m is TransformerDecoderLayer layer
                    ? [layer.Forward(x[0], x[1], tgtMask: Transformer.GenerateSquareSubsequentMask(t, type))]
                    : [m.Forward(x[0])],
            (m, x) =>
                m is TorchSharp.Modules.TransformerDecoderLayer layer
                    ?
                    [
                        layer.forward(
                            x[0],
                            x[1],
                            torch.full([t, t], double.NegativeInfinity, x[0].dtype).triu(1),
                            null!,
                            null!,
                            null!
                        ),
                    ]
                    : [((TorchSharp.Modules.TransformerEncoderLayer)m).forward(x[0])]
        );
    }

    private static Trial Bag(Draw d)
    {
        var type = d.Pick(DType.Float32, DType.Float64);
        var (rows, columns) = (d.Between(1, 6), d.Between(1, 5));
        string mode = d.Pick("mean", "sum", "max");
        bool flat = d.Chance(0.5);
        long n = d.Between(1, 7);
        long[] offsets = [0, .. Enumerable.Range(1, 3).Select(i => Math.Min(n, (long)d.Between(i, i + 1)))];
        long[] shape = flat ? [n] : [d.Between(1, 4), d.Between(1, 4)];
        bool weighted = mode == "sum" && d.Chance(0.5);
        return Network(
            $"EmbeddingBag({rows}, {columns}, {mode}, {flat}, {weighted}, {string.Join(' ', offsets)})",
            [d.Of(shape, type, tame: true), d.Whole(shape, DType.Int64, 0, rows - 1)],
            type,
            () => new EmbeddingBag(rows, columns, mode: mode),
            () =>
                torch.nn.EmbeddingBag(
                    rows,
                    columns,
                    mode: mode == "mean" ? TorchSharp.EmbeddingBagMode.Mean
                        : mode == "sum" ? TorchSharp.EmbeddingBagMode.Sum
                        : TorchSharp.EmbeddingBagMode.Max
                ),
            (m, x) =>
                [((EmbeddingBag)m).Forward(x[1], flat ? Tensor.From<long>(offsets) : null, weighted ? x[0] : null)],
            (m, x) =>
                [
                    ((TorchSharp.Modules.EmbeddingBag)m).forward(
                        x[1],
                        flat ? torch.tensor(offsets) : null!,
                        weighted ? x[0] : null!
                    ),
                ]
        );
    }

    private static Trial Bilinear(Draw d)
    {
        var type = d.Pick(DType.Float32, DType.Float64);
        var (a, b, o) = (d.Between(1, 4), d.Between(1, 4), d.Between(1, 4));
        long[] shape = d.Shape(0, 2);
        bool bias = d.Chance(0.6);
        return Network(
            $"Bilinear({a}, {b}, {o})",
            [d.Of([.. shape, a], type, tame: true), d.Of([.. shape, b], type, tame: true)],
            type,
            () => new Bilinear(a, b, o, bias),
            () => torch.nn.Bilinear(a, b, o, bias),
            (m, x) => [((Bilinear)m).Forward(x[0], x[1])],
            (m, x) => [((TorchSharp.Modules.Bilinear)m).forward(x[0], x[1])]
        );
    }

    // Numbers of a parameter, the same in both libraries.
    private static double[] Values(string name, long count)
    {
        int seed = name.Aggregate(17, (h, c) => h * 31 + c);
        var random = new Random(seed);
        return [.. Enumerable.Range(0, (int)count).Select(_ => (double)(float)(random.NextDouble() - 0.5))];
    }

    private static Trial Network(
        string text,
        Sample[] inputs,
        DType type,
        Func<Module> ours,
        Func<TorchModule> theirs,
        Func<Module, Tensor[], Tensor[]> run,
        Func<TorchModule, TorchTensor[], TorchTensor[]> runThere
    ) =>
        new(
            text,
            inputs,
            t =>
            {
                var module = ours().To(type);
                foreach (var (name, p) in module.NamedParameters)
                    p.Detach().Copy_(Tensor.From<double>(Values(name, p.NumElements), p.Shape).To(type));
                var results = run(module, t);
                var total = results.Select((r, i) => (r * (1 + 0.5 * i)).Square().Sum()).Aggregate((a, b) => a + b);
                if (total.RequiresGrad)
                    total.Backward();
                var named = module.NamedParameters.OrderBy(p => p.Name, StringComparer.Ordinal);
                return
                [
                    .. results.Select(r => r.Detach()),
                    .. named.Select(p => p.Parameter.Grad ?? Tensor.ZerosLike(p.Parameter.Detach())),
                ];
            },
            t =>
            {
                var module = theirs().to(type == DType.Float64 ? torch.ScalarType.Float64 : torch.ScalarType.Float32);
                var named = module.named_parameters().OrderBy(p => p.name, StringComparer.Ordinal).ToArray();
                using (torch.no_grad())
                    foreach (var (name, p) in named)
                        p.copy_(torch.tensor(Values(name, p.numel())).reshape(p.shape).to_type(p.dtype));
                var results = runThere(module, t);
                var total = results.Select((r, i) => (r * (1 + 0.5 * i)).square().sum()).Aggregate((a, b) => a + b);
                total.backward();
                return
                [
                    .. results.Select(r => r.detach()),
                    .. named.Select(p => p.parameter.grad ?? torch.zeros_like(p.parameter.detach())),
                ];
            }
        )
        {
            Terms = 1 << 16,
            Degree = 4,
            Gradients = false,
        };
}
