// A small BERT (Devlin and others, 2018) on characters: guesses letters that are hidden in the middle of a text.
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var steps = Example.Option("--steps", 3000, "Steps of training, of 32 stretches of text each");
var layers = Example.Option("--layers", 4, "Layers");
var width = Example.Option("--width", 128, "Numbers a character; a multiple of 4, for four heads");
var context = Example.Option("--context", 64, "Characters that it sees");
var rate = Example.Option("--lr", 0.002, "Highest learning rate");
var fill = new Option<string?>("--fill") { Description = "A text with _ for letters to guess afterwards" };
var command = new RootCommand("Trains a masked language model on tinyshakespeare.txt.")
{
    Example.Data,
    steps,
    layers,
    width,
    context,
    rate,
    fill,
    Example.Seed,
    Example.Plot,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        double lr = parsed.Within(rate, 0, 1000);
        long seed = parsed.GetValue(Example.Seed);
        Tensor.ManualSeed(seed);
        string text = File.ReadAllText(Example.File(parsed, "tinyshakespeare.txt")).ReplaceLineEndings("\n");
        string alphabet = string.Concat(text.Distinct().Order());
        long hidden = alphabet.Length; // stands for a letter to guess
        var ids = Tensor.From(text.Select(c => (long)alphabet.IndexOf(c)).ToArray());
        var (training, test) = (ids[..(text.Length * 9 / 10)], ids[(text.Length * 9 / 10)..]);
        int t = parsed.Within(context, 8, 1024);
        if (parsed.Within(width, 4, 4096) % 4 != 0)
            throw new UsageException("--width must be a multiple of 4.");
        var model = new Bert(alphabet.Length, t, parsed.GetValue(width), parsed.Within(layers, 1, 100));
        int total = parsed.Within(steps, 1, 1_000_000);
        var optimizer = new AdamW(model.Parameters, lr);
        var schedule = new OneCycleLR(optimizer, maxLr: lr, totalSteps: total);
        var losses = new List<double>();
        using (var progress = new ProgressLine(total, "bert"))
        {
            for (int step = 0; step < total; step++)
            {
                using var scope = Tensor.Scope();
                optimizer.ZeroGrad();
                var (x, y) = Masked(training, 32);
                var loss = Loss(model.Forward(x), y);
                loss.Backward();
                Clipping.ClipGradNorm_(model.Parameters, 1);
                optimizer.Step();
                schedule.Step();
                losses.Add(loss.Item());
                progress.Step(("loss", losses[^1]));
            }
        }

        model.Eval();
        using var off = Tensor.NoGrad();
        double sum = 0,
            right = 0,
            count = 0;
        Tensor.ManualSeed(seed);
        for (int i = 0; i < 20; i++)
        {
            using var scope = Tensor.Scope();
            var (x, y) = Masked(test, 32);
            var logits = model.Forward(x);
            double here = (y >= 0).Sum().Item();
            sum += Loss(logits, y).Item() * here;
            right += (logits.ArgMax(-1).Eq(y)).Sum().Item();
            count += here;
        }
        Console.WriteLine(
            $"{model.ParameterCount} parameters; hidden letters of the last tenth: loss {sum / count:F4} nats, {right / count:P1} right"
        );
        if (parsed.GetValue(fill) is { } gaps)
        {
            var x = gaps.Select(c =>
                    c == '_' ? hidden
                    : alphabet.IndexOf(c) is >= 0 and var id ? id
                    : throw new UsageException($"--fill has '{c}', which the model does not know.")
                )
                .ToArray();
            if (x.Length == 0 || x.Length > t)
                throw new UsageException($"--fill has {x.Length} characters, but may have 1 to {t}.");
            long[] guesses = model.Forward(Tensor.From(x).Unsqueeze(0))[0].ArgMax(-1).ToArray<long>();
            Console.WriteLine(string.Concat(gaps.Select((c, i) => c == '_' ? alphabet[(int)guesses[i]] : c)));
        }
        if (parsed.GetValue(Example.Plot) is { } plot)
            Plots.Loss(plot, losses, "BERT");

        // Of 15 % of the letters, 8 of 10 are hidden, one is replaced by any letter, one stays; all else is −1 in the targets.
        (Tensor X, Tensor Y) Masked(Tensor from, int stretches)
        {
            var x = from[Tensor.RandInt(from.Size(0) - t + 1, [stretches]).Unsqueeze(1) + Tensor.Arange(t)];
            var draw = Tensor.Rand(stretches, t);
            var y = x.MaskedFill(draw >= 0.15, -1);
            var wrong = Tensor.RandInt(alphabet.Length, [stretches, t]);
            x = Tensor.Where(draw < 0.15 * 0.9, wrong, x);
            return (x.MaskedFill(draw < 0.15 * 0.8, hidden), y);
        }

        static Tensor Loss(Tensor logits, Tensor y) =>
            F.CrossEntropy(logits.Flatten(0, 1), y.Flatten(), ignoreIndex: -1);
    }
);

/// <summary>Letters and places → layers in which each place sees all others → logits of the letter at each place.</summary>
public sealed class Bert : Module
{
    private readonly Embedding _letters;
    private readonly Embedding _places;
    private readonly LayerNorm _norm;
    private readonly TransformerEncoder _encoder;
    private readonly Linear _head;

    public Bert(int letters, int context, int width, int layers)
    {
        _letters = new Embedding(letters + 1, width);
        _places = new Embedding(context, width);
        _norm = new LayerNorm(width);
        var layer = new TransformerEncoderLayer(
            width,
            4,
            4 * width,
            dropout: 0,
            activation: "gelu",
            batchFirst: true,
            normFirst: true
        );
        _encoder = new TransformerEncoder(layer, layers, new LayerNorm(width));
        _head = new Linear(width, letters);
    }

    /// <summary>Logits [n, t, letters] of [n, t].</summary>
    public override Tensor Forward(Tensor ids) =>
        _head.Forward(
            _encoder.Forward(_norm.Forward(_letters.Forward(ids) + _places.Weight.Narrow(0, 0, ids.Size(1))))
        );
}
