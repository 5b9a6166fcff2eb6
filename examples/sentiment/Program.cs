// Tells praise from blame in one sentence about a film: the mean of vectors of words and pairs of words, and a linear layer.
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var epochs = Example.Option("--epochs", 6, "How often to go through the sentences");
var rate = Example.Option("--lr", 0.003, "Learning rate");
var sentence = new Option<string?>("--say") { Description = "A sentence to judge afterwards" };
var command = new RootCommand(
    "Sentiment of rt-polarity.pos and rt-polarity.neg (Pang and Lee, 2005) by a bag of words and pairs."
)
{
    Example.Data,
    epochs,
    rate,
    Example.Seed,
    Example.Plot,
    sentence,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        double lr = parsed.Within(rate, 0, 1000);
        long seed = parsed.GetValue(Example.Seed);
        Tensor.ManualSeed(seed);
        string[][] good = [.. File.ReadLines(Example.File(parsed, "rt-polarity.pos")).Select(Pieces)];
        string[][] bad = [.. File.ReadLines(Example.File(parsed, "rt-polarity.neg")).Select(Pieces)];
        var samples = good.Select(p => (Pieces: p, Label: 1f))
            .Concat(bad.Select(p => (Pieces: p, Label: 0f)))
            .ToArray();
        new Random((int)seed).Shuffle(samples);
        var training = samples[..(samples.Length * 9 / 10)];
        var test = samples[(samples.Length * 9 / 10)..];

        // What occurs in one sentence only teaches nothing.
        var vocabulary = training
            .SelectMany(s => s.Pieces.Distinct())
            .CountBy(p => p)
            .Where(c => c.Value > 1)
            .Select((c, i) => (c.Key, Id: (long)i))
            .ToDictionary(c => c.Key, c => c.Id);
        var model = new BagModel(vocabulary.Count, 32);
        var optimizer = new Adam(model.Parameters, lr);
        var losses = new List<double>();
        int turns = parsed.Within(epochs, 1, 1000);
        var order = new Random((int)seed);
        for (int epoch = 1; epoch <= turns; epoch++)
        {
            model.Train();
            order.Shuffle(training);
            using var progress = new ProgressLine((training.Length + 63) / 64, $"epoch {epoch}/{turns}");
            foreach (var batch in training.Chunk(64))
            {
                using var scope = Tensor.Scope();
                optimizer.ZeroGrad();
                var loss = F.BinaryCrossEntropyWithLogits(Judge(batch.Select(s => s.Pieces)), Labels(batch));
                loss.Backward();
                optimizer.Step();
                losses.Add(loss.Item());
                progress.Step(("loss", losses[^1]));
            }
        }
        model.Eval();
        using var off = Tensor.NoGrad();
        double right = (Judge(test.Select(s => s.Pieces)) > 0).Float().Eq(Labels(test)).Double().Mean().Item();
        Console.WriteLine(
            $"{vocabulary.Count} words and pairs; accuracy {right:P2} of {test.Length} sentences in the test"
        );
        if (parsed.GetValue(sentence) is { } said)
            Console.WriteLine($"praise {Judge([Pieces(said.ToLowerInvariant())]).Sigmoid().Item():P0}: {said}");
        if (parsed.GetValue(Example.Plot) is { } plot)
            Plots.Loss(plot, losses, "Sentiment");

        // Logits [n] of sentences: all their pieces behind one another, and where each sentence starts.
        Tensor Judge(IEnumerable<string[]> sentences)
        {
            var (ids, starts) = (new List<long>(), new List<long>());
            foreach (var pieces in sentences)
            {
                starts.Add(ids.Count);
                ids.AddRange(pieces.Where(vocabulary.ContainsKey).Select(p => vocabulary[p]));
            }
            return model.Forward(Tensor.From(ids.ToArray()), Tensor.From(starts.ToArray()));
        }

        static Tensor Labels((string[] Pieces, float Label)[] batch) =>
            Tensor.From(batch.Select(s => s.Label).ToArray());

        static string[] Pieces(string text)
        {
            string[] words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            return [.. words, .. words.Zip(words.Skip(1), (a, b) => a + " " + b)];
        }
    }
);

/// <summary>The mean of vectors, some of which are left out at random, and a weighted sum.</summary>
public sealed class BagModel(long words, long width) : Module
{
    private readonly EmbeddingBag _bag = new(words, width);
    private readonly Dropout _dropout = new(0.5);
    private readonly Linear _head = new(width, 1);

    public Tensor Forward(Tensor ids, Tensor starts) =>
        _head.Forward(_dropout.Forward(_bag.Forward(ids, starts))).Squeeze(-1);
}
