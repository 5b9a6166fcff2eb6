// A small GPT on characters (Radford and others, 2019; Karpathy's nanoGPT): train it, then let it write, also with a smaller one that
// guesses ahead (speculative decoding).
using System.CommandLine;
using System.Diagnostics;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var text = Example.Option("--text", "tinyshakespeare.txt", "The text, in the folder of the data");
var file = Example.Option("--model", "gpt.safetensors", "File of the trained model");
var layers = Example.Option("--layers", 4, "Blocks");
var width = Example.Option("--width", 128, "Numbers a character");
var heads = Example.Option("--heads", 4, "Heads of attention");
var context = Example.Option("--context", 128, "Characters that it sees");
var dropout = Example.Option("--dropout", 0.0, "Share of numbers left out in training");
var batch = Example.Option("--batch", 16, "Stretches of text a step");
var steps = Example.Option("--steps", 5000, "Steps of training");
var rate = Example.Option("--lr", 0.002, "Highest learning rate");
var minutes = Example.Option("--minutes", 1e6, "Ends training after that time at the latest");
var prompt = Example.Option("--prompt", "\n", "What the text begins with");
var length = Example.Option("--length", 500, "Characters to write");
var draft = new Option<string?>("--draft")
{
    Description = "File of a smaller model that guesses ahead; the text is drawn as if it did not",
};
var ahead = Example.Option("--ahead", 4, "Characters that it guesses at once");

var train = new Command("train", "Trains on the first nine tenths of a text, and judges the last one")
{
    Example.Data,
    text,
    file,
    layers,
    width,
    heads,
    context,
    dropout,
    batch,
    steps,
    rate,
    minutes,
    Example.Seed,
    Example.Plot,
};
train.Does(Train);
var sample = new Command("sample", "Writes")
{
    file,
    prompt,
    length,
    draft,
    ahead,
    Example.Seed,
    Sampling.TemperatureOption,
    Sampling.TopKOption,
    Sampling.TopPOption,
};
sample.Does(Sample);
return new RootCommand("A small GPT on characters.") { train, sample }.Run(args);

void Train(ParseResult parsed)
{
    double lr = parsed.Within(rate, 0, 1000);
    Tensor.ManualSeed(parsed.GetValue(Example.Seed));
    string all = File.ReadAllText(Example.File(parsed, parsed.GetValue(text)!)).ReplaceLineEndings("\n");
    var alphabet = string.Concat(all.Distinct().Order());
    int t = parsed.Within(context, 2, 4096);
    if (all.Length < 20 * t)
        throw new UsageException(
            $"the text has {all.Length} characters, but must have {20 * t} for a --context of {t}."
        );
    if (parsed.Within(width, 1, 8192) % parsed.Within(heads, 1, 8192) != 0)
        throw new UsageException("--width must be a multiple of --heads.");
    var ids = Tensor.From(all.Select(c => alphabet.IndexOf(c)).ToArray()).Long();
    var (training, validation) = (ids[..(all.Length * 9 / 10)], ids[(all.Length * 9 / 10)..]);

    var config = new GptConfig(
        alphabet,
        t,
        parsed.Within(layers, 1, 1000),
        parsed.GetValue(width),
        parsed.GetValue(heads)
    );
    var model = new Gpt(config, parsed.Within(dropout, 0, 0.99));
    // Norms and biases are not drawn to 0.
    var optimizer = new AdamW(
        [
            new ParamGroup(model.Parameters.Where(p => p.Rank > 1)) { WeightDecay = 0.1 },
            new ParamGroup(model.Parameters.Where(p => p.Rank == 1)) { WeightDecay = 0 },
        ],
        lr,
        betas: (0.9, 0.99)
    );
    int total = parsed.Within(steps, 1, 10_000_000);
    var schedule = new SequentialLR(
        optimizer,
        [new LinearLR(optimizer, 0.01, 1, Math.Max(1, total / 50)), new CosineAnnealingLR(optimizer, total, lr / 20)],
        [Math.Max(1, total / 50)]
    );
    Console.WriteLine($"{model.ParameterCount} parameters, {alphabet.Length} characters");

    var (losses, judged) = (new List<double>(), new List<double>());
    var clock = Stopwatch.StartNew();
    using var interrupt = new Interrupt();
    using (var progress = new ProgressLine(total, "gpt"))
    {
        for (
            int step = 1;
            step <= total && !interrupt.Requested && clock.Elapsed.TotalMinutes < parsed.GetValue(minutes);
            step++
        )
        {
            using var scope = Tensor.Scope();
            var (x, y) = Stretches(training, parsed.Within(batch, 1, 4096), t);
            optimizer.ZeroGrad();
            var loss = Loss(model, x, y);
            loss.Backward();
            Clipping.ClipGradNorm_(model.Parameters, 1);
            optimizer.Step();
            schedule.Step();
            losses.Add(loss.Item());
            if (step % 250 == 0)
                judged.Add(Judge(model, validation, t, 20));
            progress.Step(("loss", losses[^1]), ("val", judged.Count > 0 ? judged[^1] : double.NaN));
        }
    }
    double seconds = clock.Elapsed.TotalSeconds;
    model.Save(parsed.GetValue(file)!);
    Console.WriteLine(
        $"validation loss {Judge(model, validation, t, int.MaxValue):F4} nats after {losses.Count} steps, {seconds / 60:F1} minutes, {1000 * seconds / losses.Count:F1} ms a step"
    );
    if (parsed.GetValue(Example.Plot) is { } plot)
        Plots.Loss(plot, losses, "GPT");
}

static (Tensor X, Tensor Y) Stretches(Tensor ids, int count, int t)
{
    var places = Tensor.RandInt(ids.Size(0) - t, [count]).Unsqueeze(1) + Tensor.Arange(t);
    return (ids[places], ids[places + 1]);
}

static Tensor Loss(Gpt model, Tensor x, Tensor y) => F.CrossEntropy(model.Forward(x).Flatten(0, 1), y.Flatten());

// Mean loss of stretches one behind the other, `most` batches of them at most.
static double Judge(Gpt model, Tensor ids, int t, int most)
{
    using var off = Tensor.NoGrad();
    model.Eval();
    double sum = 0;
    int count = (int)Math.Min((ids.Size(0) - 1) / (16L * t), most);
    for (int i = 0; i < count; i++)
    {
        using var scope = Tensor.Scope();
        var stretch = ids.Narrow(0, i * 16L * t, 16L * t + 1);
        sum += Loss(model, stretch[..^1].Reshape(16, t), stretch[1..].Reshape(16, t)).Item();
    }
    model.Train();
    return sum / Math.Max(1, count);
}

void Sample(ParseResult parsed)
{
    var model = Gpt.Load(parsed.GetValue(file)!);
    var sampling = Sampling.Of(parsed);
    int count = parsed.Within(length, 0, int.MaxValue);
    using var off = Tensor.NoGrad();
    var written = model.Encode(parsed.GetValue(prompt)!);
    Console.Write(parsed.GetValue(prompt));
    var clock = Stopwatch.StartNew();
    if (parsed.GetValue(draft) is { } path)
    {
        var guesser = Gpt.Load(path);
        if (guesser.Config.Alphabet != model.Config.Alphabet)
            throw new UsageException($"--draft {path} has other characters than the model.");
        var (kept, guessed) = Speculate(model, guesser, sampling, written, count, parsed.Within(ahead, 1, 64));
        Console.Error.WriteLine($"{kept} of {guessed} guesses were kept");
    }
    else
    {
        var writer = new Writer(model);
        for (int i = 0; i < count; i++)
        {
            using var scope = Tensor.Scope();
            Add(model, written, sampling.Next(writer.Logits(written)[-1]));
        }
    }
    Console.WriteLine();
    Console.Error.WriteLine($"{count / clock.Elapsed.TotalSeconds:F0} characters/s");
}

static void Add(Gpt model, List<long> written, int next)
{
    written.Add(next);
    Console.Write(model.Config.Alphabet[next]);
}

// Leviathan and others (2023): the guesser draws some characters one by one, the model judges all of them at once. A guess is kept
// with the probability p / q by model and guesser; the first that is not is drawn anew from what p has more than q. No guess goes beyond
// what the model sees before it starts anew, so that it sees what it would see without guesses.
static (int Kept, int Guessed) Speculate(
    Gpt model,
    Gpt guesser,
    Sampling sampling,
    List<long> written,
    int count,
    int ahead
)
{
    var (judge, guess) = (new Writer(model), new Writer(guesser));
    var (kept, guessed, end) = (0, 0, written.Count + count);
    while (written.Count < end)
    {
        using var scope = Tensor.Scope();
        var draft = new List<long>(written);
        var q = new List<Tensor>();
        int many = Math.Min(Math.Min(ahead, end - written.Count), judge.Room(written.Count));
        for (int i = 0; i < many; i++)
        {
            q.Add(sampling.Probabilities(guess.Logits(draft)[-1]));
            draft.Add(q[^1].Multinomial(1, generator: sampling.Generator).Item<long>());
        }
        var logits = judge.Logits(draft, many + 1);
        int good = 0;
        for (; good < many; good++)
        {
            long next = draft[written.Count];
            var p = sampling.Probabilities(logits[good]);
            double chance = p[next].Item() / q[good][next].Item();
            if (Tensor.Rand([1], sampling.Generator).Item() >= chance)
            {
                var rest = (p - q[good]).ClampMin(0);
                // Rounding may leave nothing where both agree.
                Add(
                    model,
                    written,
                    (int)(rest.Sum().Item() > 0 ? rest : p).Multinomial(1, generator: sampling.Generator).Item<long>()
                );
                break;
            }
            Add(model, written, (int)next);
        }
        if (good == many && written.Count < end)
            Add(model, written, sampling.Next(logits[many]));
        (kept, guessed) = (kept + good, guessed + many);
    }
    return (kept, guessed);
}

/// <summary>Logits of a growing text. What was computed is kept, until the text outgrows the context: then it starts anew with its last half.</summary>
public sealed class Writer(Gpt model)
{
    private readonly Tensor[] _keys = Caches(model.Config);
    private readonly Tensor[] _values = Caches(model.Config);
    private List<long> _seen = [];
    private int _start;

    /// <summary>Logits [last, alphabet] after the last characters of a text.</summary>
    public Tensor Logits(List<long> text, int last = 1)
    {
        Room(text.Count);
        var window = text[_start..];
        // What was guessed and given up does not count; the last characters are computed (again) in any case.
        int same = Math.Min(_seen.Zip(window).TakeWhile(p => p.First == p.Second).Count(), window.Count - last);
        if (same < 0)
            throw new InvalidOperationException(
                $"the text has {window.Count} characters, but logits of {last} were asked for."
            );
        _seen = window;
        return model.Forward(Tensor.From(window[same..].ToArray()), _keys, _values, same)[^last..];
    }

    /// <summary>Characters that fit into the context behind a text of some length; where that itself does not, it starts anew.</summary>
    public int Room(int length)
    {
        int context = model.Config.Context;
        // Guesses that were given up may leave a text that ends before the start.
        if (length - _start > context || length <= _start)
            (_start, _seen) = (Math.Max(0, length - context / 2), []);
        return context - (length - _start);
    }

    private static Tensor[] Caches(GptConfig c) =>
        [.. Enumerable.Range(0, c.Layers).Select(_ => Tensor.Zeros(c.Heads, c.Context, c.Width / c.Heads))];
}

/// <summary>Sizes of a model; the characters by number.</summary>
public sealed record GptConfig(string Alphabet, int Context, int Layers, int Width, int Heads);

/// <summary>Characters and places → blocks → logits of the next character.</summary>
public sealed class Gpt : Module
{
    private readonly Embedding _characters;
    private readonly Embedding _places;
    private readonly Dropout _dropout;
    private readonly GptBlock[] _blocks;
    private readonly LayerNorm _norm;
    private readonly Linear _head;

    public Gpt(GptConfig config, double dropout = 0)
    {
        Config = config;
        _characters = new Embedding(config.Alphabet.Length, config.Width);
        _places = new Embedding(config.Context, config.Width);
        _dropout = new Dropout(dropout);
        _blocks = [.. Enumerable.Range(0, config.Layers).Select(_ => new GptBlock(config, dropout))];
        _norm = new LayerNorm(config.Width);
        _head = new Linear(config.Width, config.Alphabet.Length, bias: false);
        foreach (var (name, p) in NamedParameters.Where(p => p.Parameter.Rank == 2))
            Init.Normal_(
                p,
                0,
                name.EndsWith("out.weight", StringComparison.Ordinal) ? 0.02 / Math.Sqrt(2 * config.Layers) : 0.02
            );
    }

    public GptConfig Config { get; }

    /// <summary>Logits [n, t, alphabet] of texts [n, t].</summary>
    public override Tensor Forward(Tensor ids) => Run(ids, 0, (block, x, _) => block.Forward(x));

    /// <summary>Logits [t, alphabet] of the characters [t] behind `start` others, whose keys and values are kept; theirs are added.</summary>
    public Tensor Forward(Tensor ids, Tensor[] keys, Tensor[] values, int start) =>
        Run(ids.Unsqueeze(0), start, (block, x, i) => block.Forward(x, keys[i], values[i], start))[0];

    private Tensor Run(Tensor ids, int start, Func<GptBlock, Tensor, int, Tensor> step)
    {
        var x = _characters.Forward(ids) + _places.Weight.Narrow(0, start, ids.Size(1));
        x = _dropout.Forward(x);
        for (int i = 0; i < _blocks.Length; i++)
            x = step(_blocks[i], x, i);
        return _head.Forward(_norm.Forward(x));
    }

    /// <summary>Numbers of the characters of a text.</summary>
    public List<long> Encode(string text) =>
        text.Length == 0
            ? throw new UsageException("--prompt is empty; the model needs a character to begin with.")
            :
            [
                .. text.Select(c =>
                    Config.Alphabet.IndexOf(c) is >= 0 and var id
                        ? (long)id
                        : throw new UsageException($"--prompt has '{c}', which the model does not know.")
                ),
            ];

    public void Save(string path) =>
        Safetensors.Save(
            StateDict(),
            path,
            new Dictionary<string, string>
            {
                ["alphabet"] = Config.Alphabet,
                ["sizes"] = $"{Config.Context} {Config.Layers} {Config.Width} {Config.Heads}",
            }
        );

    public static Gpt Load(string path)
    {
        var state = Safetensors.Load(path, out var metadata);
        if (
            !metadata.TryGetValue("alphabet", out string? alphabet) || !metadata.TryGetValue("sizes", out string? sizes)
        )
            throw new InvalidDataException($"{path} is no model that `gpt train` wrote.");
        int[] s = [.. sizes.Split(' ').Select(int.Parse)];
        var model = new Gpt(new GptConfig(alphabet, s[0], s[1], s[2], s[3]));
        model.LoadStateDict(state);
        model.Eval();
        return model;
    }
}

/// <summary>Attention to what was before, then two layers for each place; each beside a skip.</summary>
public sealed class GptBlock(GptConfig config, double dropout) : Module
{
    private readonly LayerNorm _attentionNorm = new(config.Width);
    private readonly Linear _qkv = new(config.Width, 3 * config.Width);
    private readonly Linear _attentionOut = new(config.Width, config.Width);
    private readonly LayerNorm _mlpNorm = new(config.Width);
    private readonly Linear _mlpIn = new(config.Width, 4 * config.Width);
    private readonly Linear _mlpOut = new(4 * config.Width, config.Width);
    private readonly Dropout _dropout = new(dropout);

    public override Tensor Forward(Tensor x)
    {
        var (q, k, v) = Split(x);
        return Rest(x, F.ScaledDotProductAttention(q, k, v, dropoutP: Training ? dropout : 0, isCausal: true));
    }

    /// <summary>For one text, with the keys and values [heads, context, size] of what was before.</summary>
    public Tensor Forward(Tensor x, Tensor keys, Tensor values, int start)
    {
        var (q, k, v) = Split(x);
        long t = x.Size(1);
        keys.Narrow(1, start, t).Copy_(k[0]);
        values.Narrow(1, start, t).Copy_(v[0]);
        // A place sees all before it and itself.
        var mask = t == 1 ? null : Tensor.Arange(start + t) <= Tensor.Arange(start, start + t).Unsqueeze(1);
        return Rest(
            x,
            F.ScaledDotProductAttention(
                q,
                keys.Narrow(1, 0, start + t).Unsqueeze(0),
                values.Narrow(1, 0, start + t).Unsqueeze(0),
                mask
            )
        );
    }

    private (Tensor Q, Tensor K, Tensor V) Split(Tensor x)
    {
        var parts = _qkv.Forward(_attentionNorm.Forward(x)).Chunk(3, -1);
        Tensor Heads(Tensor y) => y.Unflatten(-1, config.Heads, config.Width / config.Heads).Transpose(1, 2);
        return (Heads(parts[0]), Heads(parts[1]), Heads(parts[2]));
    }

    private Tensor Rest(Tensor x, Tensor attention)
    {
        x = x + _dropout.Forward(_attentionOut.Forward(attention.Transpose(1, 2).Flatten(2)));
        return x + _dropout.Forward(_mlpOut.Forward(_mlpIn.Forward(_mlpNorm.Forward(x)).Gelu()));
    }
}
