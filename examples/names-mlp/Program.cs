// Trains the character model of Bengio and others (2003) on a file of words, one a line, and makes up new ones:
//   dotnet run -c Release --project examples/names-mlp -- --data names.txt [--steps 200000] [--lr 0.1] [--seed 0]
//     [--device cuda]
// Run `tune quickstart --data names.txt` first, and the same program runs on tuned kernels.
using System.Diagnostics;
using System.Globalization;
using Picograd;
using Picograd.Models;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (Option("--data") is not { } path)
{
    Console.Error.WriteLine("names-mlp: --data is missing; name a text file with one word a line.");
    return 2;
}
if (
    !int.TryParse(Option("--steps") ?? "200000", out int steps)
    || !double.TryParse(Option("--lr") ?? "0.1", out double rate)
    || rate is not (>= 0 and <= 1000)
    || !long.TryParse(Option("--seed") ?? "0", out long seed)
)
{
    Console.Error.WriteLine("names-mlp: --steps and --seed are whole numbers, --lr is a number from 0 to 1000.");
    return 2;
}

CharDataset data;
try
{
    data = CharDataset.Load(path);
}
catch (InvalidDataException e)
{
    Console.Error.WriteLine($"names-mlp: {e.Message}");
    return 1;
}

var model = new CharMlp(data.Vocabulary, seed: seed);
try
{
    model.ToDevice(Device.Parse(Option("--device") ?? "cpu"));
}
catch (Exception e) when (e is ArgumentException or InvalidOperationException)
{
    Console.Error.WriteLine($"names-mlp: {e.Message}");
    return 2;
}
var optimizer = new SGD(model.Parameters, rate);
Console.WriteLine($"{data.WordCount} words, {data.Train.Count} examples, {model.ParameterCount} parameters");

ulong draw = (ulong)seed;
var clock = Stopwatch.StartNew();
for (int step = 1; step <= steps; step++)
{
    // A tenth of the rate for the last quarter lets the weights settle.
    optimizer.Lr = step > steps * 3 / 4 ? rate / 10 : rate;
    using var scope = Tensor.Scope();
    var (contexts, targets) = data.Train.Batch(model.Options.Batch, ref draw);
    model.Step(contexts, targets, optimizer);
    if (step % Math.Max(1, steps / 10) == 0)
        Console.WriteLine(
            $"step {step}: dev loss {model.Loss(data.Dev):F4} nats, {clock.Elapsed.TotalMilliseconds / step:F3} ms a step"
        );
}
Console.WriteLine(
    $"train {model.Loss(data.Train):F4}, dev {model.Loss(data.Dev):F4}, test {model.Loss(data.Test):F4} nats"
);
var generator = new Generator(seed);
for (int i = 0; i < 10; i++)
    Console.WriteLine(model.Sample(data, generator));
return 0;

string? Option(string name)
{
    int at = Array.IndexOf(args, name);
    return at >= 0 && at + 1 < args.Length ? args[at + 1] : null;
}
