// Learns to spell names letter by letter with a recurrent network, plain, GRU or LSTM, and makes up new ones.
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var cell = Example.Option("--cell", "lstm", "rnn, gru or lstm");
cell.AcceptOnlyFromAmong("rnn", "gru", "lstm");
var width = Example.Option("--width", 128, "Numbers in the state");
var steps = Example.Option("--steps", 3000, "Steps of training, of 64 names each");
var rate = Example.Option("--lr", 0.005, "Highest learning rate");
var count = Example.Option("--count", 10, "Names to make up");
var command = new RootCommand("Trains a recurrent network on names.txt, and makes up names.")
{
    Example.Data,
    cell,
    width,
    steps,
    rate,
    count,
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
        string[] names = File.ReadAllLines(Example.File(parsed, "names.txt"));
        if (names.FirstOrDefault(name => name.Length == 0 || name.Any(c => c is < 'a' or > 'z')) is { } odd)
            throw new InvalidDataException($"names.txt has '{odd}', but names are of small letters.");
        new Random((int)seed).Shuffle(names);
        // '.' is 0, then a to z; −1 stands for nothing behind the end.
        int longest = names.Max(n => n.Length) + 1;
        long[] padded =
        [
            .. names.SelectMany(n =>
                Enumerable
                    .Range(0, longest)
                    .Select(i =>
                        i < n.Length ? n[i] - 'a' + 1L
                        : i == n.Length ? 0
                        : -1
                    )
            ),
        ];
        var targets = Tensor.From(padded, [names.Length, longest]);
        var inputs = Tensor.Cat([Tensor.Zeros([names.Length, 1], DType.Int64), targets[.., ..^1].ClampMin(0)], 1);
        int cut = names.Length * 9 / 10;

        var model = new NameRnn(parsed.GetValue(cell)!, parsed.Within(width, 1, 4096));
        int total = parsed.Within(steps, 1, 1_000_000);
        var optimizer = new AdamW(model.Parameters, lr);
        var schedule = new OneCycleLR(optimizer, maxLr: lr, totalSteps: total);
        var losses = new List<double>();
        using (var progress = new ProgressLine(total, parsed.GetValue(cell)!))
        {
            for (int step = 0; step < total; step++)
            {
                using var scope = Tensor.Scope();
                var batch = Tensor.RandInt(cut, [64]);
                optimizer.ZeroGrad();
                var loss = Loss(inputs[batch], targets[batch]);
                loss.Backward();
                Clipping.ClipGradNorm_(model.Parameters, 1);
                optimizer.Step();
                schedule.Step();
                losses.Add(loss.Item());
                progress.Step(("loss", losses[^1]));
            }
        }
        using var off = Tensor.NoGrad();
        Console.WriteLine(
            $"{model.ParameterCount} parameters, dev loss {Loss(inputs[cut..], targets[cut..]).Item():F4} nats"
        );
        var generator = new Generator(seed);
        for (int i = 0; i < parsed.Within(count, 0, 1000); i++)
            Console.WriteLine(model.Sample(generator));
        if (parsed.GetValue(Example.Plot) is { } plot)
            Plots.Loss(plot, losses, "Names");

        Tensor Loss(Tensor x, Tensor y) => F.CrossEntropy(model.Forward(x).Flatten(0, 1), y.Flatten(), ignoreIndex: -1);
    }
);

/// <summary>Letters → vectors → states → logits of the next letter.</summary>
public sealed class NameRnn(string cell, long width) : Module
{
    private readonly Embedding _letters = new(27, 32);
    private readonly RecurrentNetwork _states = cell switch
    {
        "rnn" => new RNN(32, width, batchFirst: true),
        "gru" => new GRU(32, width, batchFirst: true),
        _ => new LSTM(32, width, batchFirst: true),
    };
    private readonly Linear _head = new(width, 27);

    /// <summary>Logits [names, places, 27] of letters [names, places].</summary>
    public override Tensor Forward(Tensor x) => _head.Forward(_states.Forward(_letters.Forward(x)));

    public string Sample(Generator generator)
    {
        var letters = new List<long> { 0 };
        while (letters.Count < 30)
        {
            using var scope = Tensor.Scope();
            var logits = Forward(Tensor.From(letters.ToArray()).Unsqueeze(0))[0, -1];
            long next = logits.Softmax(-1).Multinomial(1, generator: generator).Item<long>();
            if (next == 0)
                break;
            letters.Add(next);
        }
        return string.Concat(letters.Skip(1).Select(l => (char)('a' + l - 1)));
    }
}
