// Runs RWKV-5 (Peng and others, 2024), a recurrent net that is trained like a transformer, with weights of rwkv.cpp's tests.
using System.CommandLine;
using System.Diagnostics;
using System.Text;
using Picograd;
using Picograd.Examples;

var prompt = Example.Option("--prompt", "\"in", "What the text begins with");
var length = Example.Option("--length", 100, "Bytes to write");
var check = Example.Option(
    "--check",
    false,
    "Compare the logits after the bytes \"in with those that the file expects"
);
var command = new RootCommand("Writes text with a small RWKV-5 byte model (rwkv-5v2-730K.safetensors).")
{
    Example.Data,
    prompt,
    length,
    check,
    Example.Seed,
    Sampling.TemperatureOption,
    Sampling.TopKOption,
    Sampling.TopPOption,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        var file = Safetensors.Load(Example.File(parsed, "rwkv-5v2-730K.safetensors"));
        int count = parsed.Within(length, 0, int.MaxValue);
        var sampling = Sampling.Of(parsed);
        byte[] text = Encoding.UTF8.GetBytes(parsed.GetValue(check) ? "\"in" : parsed.GetValue(prompt)!);
        if (text.Length == 0)
            throw new UsageException("--prompt is empty; the model needs a byte to begin with.");
        var model = new Rwkv(file);
        using var off = Tensor.NoGrad();
        var state = model.Start();
        var logits = model.Step(text[0], state);
        foreach (byte next in text[1..])
            logits = model.Step(next, state);
        if (parsed.GetValue(check))
        {
            var expected = file["expected_logits"];
            Console.WriteLine(
                $"largest difference {(logits - expected).Abs().Max().Item():G3} of logits up to {expected.Abs().Max().Item():G3}"
            );
            return;
        }
        var written = new List<byte>(text);
        var clock = Stopwatch.StartNew();
        for (int i = 0; i < count; i++)
        {
            using var scope = Tensor.Scope();
            byte next = (byte)sampling.Next(logits);
            written.Add(next);
            logits = model.Step(next, state).Keep();
        }
        Console.WriteLine(Encoding.UTF8.GetString([.. written]));
        Console.Error.WriteLine($"{count / clock.Elapsed.TotalSeconds:F0} bytes/s");
    }
);

/// <summary>What a layer remembers: its last two inputs, and a matrix for each head.</summary>
public sealed class RwkvState(long width, long heads)
{
    public Tensor Attention { get; } = Tensor.Zeros(width);
    public Tensor Channels { get; } = Tensor.Zeros(width);
    public Tensor Memory { get; } = Tensor.Zeros(heads, width / heads, width / heads);
}

/// <summary>The model by the names of its file.</summary>
public sealed class Rwkv(IReadOnlyDictionary<string, Tensor> weights)
{
    private readonly int _layers = weights.Keys.Count(k => k.EndsWith("ln1.weight", StringComparison.Ordinal));
    private readonly long _width = weights["emb.weight"].Size(1);
    private readonly long _heads = weights["blocks.0.att.time_decay"].Size(0);

    /// <summary>The state before the first token.</summary>
    public RwkvState[] Start() => [.. Enumerable.Range(0, _layers).Select(_ => new RwkvState(_width, _heads))];

    /// <summary>Takes a token in, moves the state, and gives logits [vocabulary] of the next one.</summary>
    public Tensor Step(int token, RwkvState[] state)
    {
        var x = Norm(weights["emb.weight"][token], "blocks.0.ln0");
        for (int layer = 0; layer < _layers; layer++)
        {
            x += TimeMixing(Norm(x, $"blocks.{layer}.ln1"), $"blocks.{layer}.att.", state[layer]);
            x += ChannelMixing(Norm(x, $"blocks.{layer}.ln2"), $"blocks.{layer}.ffn.", state[layer]);
        }
        return weights["head.weight"].Mv(Norm(x, "ln_out"));
    }

    private Tensor TimeMixing(Tensor x, string at, RwkvState state)
    {
        long size = _width / _heads;
        var r = Product(at + "receptance", Mixed(x, state.Attention, at + "time_mix_r")).Reshape(_heads, 1, size);
        var k = Product(at + "key", Mixed(x, state.Attention, at + "time_mix_k")).Reshape(_heads, size, 1);
        var v = Product(at + "value", Mixed(x, state.Attention, at + "time_mix_v")).Reshape(_heads, 1, size);
        var gate = Product(at + "gate", Mixed(x, state.Attention, at + "time_mix_g")).Silu();
        state.Attention.Copy_(x);

        // The memory of a head sums up k vᵀ of all tokens, which fade by a factor a row; the token itself has a weight of its own.
        var kv = k.MatMul(v);
        var y = r.MatMul(weights[at + "time_faaaa"] * kv + state.Memory);
        state.Memory.Copy_(weights[at + "time_decay"] * state.Memory + kv);

        // Each head is normed by itself.
        y = F.GroupNorm(y.Reshape(1, _width), _heads, weights[at + "ln_x.weight"], weights[at + "ln_x.bias"]);
        return Product(at + "output", y.Reshape(_width) * gate);
    }

    private Tensor ChannelMixing(Tensor x, string at, RwkvState state)
    {
        var r = Product(at + "receptance", Mixed(x, state.Channels, at + "time_mix_r")).Sigmoid();
        var k = Product(at + "key", Mixed(x, state.Channels, at + "time_mix_k")).Relu().Square();
        state.Channels.Copy_(x);
        return r * Product(at + "value", k);
    }

    /// <summary>Between the input before and this one, a share for each number.</summary>
    private Tensor Mixed(Tensor x, Tensor before, string name) => before.Lerp(x, weights[name]);

    private Tensor Product(string name, Tensor x) => weights[name + ".weight"].Mv(x);

    private Tensor Norm(Tensor x, string name) =>
        F.LayerNorm(x, [_width], weights[name + ".weight"], weights[name + ".bias"]);
}
