// Counts which letter follows which, and makes up names by these counts: the simplest language model.
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var order = Example.Option("--order", 2, "Letters looked at, with the one that is guessed: 1 to 5");
var smoothing = Example.Option("--smoothing", 0.0, "Added to each count, so that nothing is impossible");
var whole = Example.Option(
    "--all",
    false,
    "Count and judge all names, instead of counting 9 of 10 and judging the others"
);
var count = Example.Option("--count", 10, "Names to make up");
var command = new RootCommand("Counts n-grams of names.txt, and makes up names.")
{
    Example.Data,
    order,
    smoothing,
    whole,
    count,
    Example.Seed,
    Example.Plot,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        const int Letters = 27; // '.' begins and ends a name, then a to z
        int n = parsed.Within(order, 1, 5);
        string[] names = File.ReadAllLines(Example.File(parsed, "names.txt"));
        if (names.FirstOrDefault(name => name.Length == 0 || name.Any(c => c is < 'a' or > 'z')) is { } odd)
            throw new InvalidDataException($"names.txt has '{odd}', but names are of small letters.");
        new Random((int)parsed.GetValue(Example.Seed)).Shuffle(names);
        bool isWhole = parsed.GetValue(whole);
        var counted = isWhole ? names : names[..(names.Length * 9 / 10)];
        var judged = isWhole ? names : names[(names.Length * 9 / 10)..];

        // Each n-gram is a number with n digits to the base 27.
        long contexts = (long)Math.Pow(Letters, n - 1);
        var counts = Grams(counted).Bincount(minlength: contexts * Letters).Reshape(contexts, Letters);
        var smoothed = counts.Double() + parsed.Within(smoothing, 0, 1e6);
        // A context that never was says nothing: all letters are as likely.
        var sums = smoothed.Sum(1, keepdim: true);
        var probabilities = Tensor.Where(sums > 0, smoothed / sums, 1.0 / Letters);
        double loss = -probabilities.Flatten().IndexSelect(0, Grams(judged)).Log().Mean().Item();
        Console.WriteLine(
            $"{n}-grams of {counted.Length} names: {loss:F4} nats a letter of {judged.Length} {(isWhole ? "" : "other ")}names"
        );

        var generator = new Generator(parsed.GetValue(Example.Seed));
        for (int i = 0; i < parsed.Within(count, 0, 1000); i++)
        {
            string name = "";
            for (long context = 0; name.Length < 100; )
            {
                long next = probabilities[context].Multinomial(1, generator: generator).Item<long>();
                if (next == 0)
                    break;
                name += (char)('a' + next - 1);
                context = (context * Letters + next) % contexts;
            }
            Console.WriteLine(name);
        }
        if (parsed.GetValue(Example.Plot) is { } plot)
            Plots.Lines(
                plot,
                [("probability", probabilities[0].ToDoubles())],
                "First letters",
                ". a b c …",
                "probability"
            );

        Tensor Grams(string[] of)
        {
            var grams = new List<long>();
            foreach (string name in of)
            {
                long gram = 0;
                foreach (char c in name + '.')
                {
                    gram = (gram * Letters + (c == '.' ? 0 : c - 'a' + 1)) % (contexts * Letters);
                    grams.Add(gram);
                }
            }
            return Tensor.From(grams.ToArray());
        }
    }
);
