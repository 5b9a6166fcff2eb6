using System.Globalization;

namespace Picograd.Search.CostModels;

/// <summary>A sum of small regression trees, fitted by gradient boosting: each tree to what those before it leave over.</summary>
public sealed class BoostedTrees
{
    private const string Header = "picograd-residual 1";

    private readonly List<Node[]> _trees = [];

    private BoostedTrees(int features) => FeatureCount = features;

    /// <summary>Numbers that it looks at.</summary>
    public int FeatureCount { get; }

    // Of an inner node: whether x[Feature] < Value goes to Left or to Left + 1; of a leaf (Feature −1) the value.
    private readonly record struct Node(int Feature, double Value, int Left);

    public double Predict(double[] x)
    {
        double sum = 0;
        foreach (var tree in _trees)
        {
            int at = 0;
            while (tree[at] is { Feature: >= 0 } node)
                at = node.Left + (x[node.Feature] < node.Value ? 0 : 1);
            sum += tree[at].Value;
        }
        return sum;
    }

    /// <summary>How a fit is done.</summary>
    /// <param name="Trees">How many.</param>
    /// <param name="Depth">Decisions from root to leaf, at most.</param>
    /// <param name="Rate">Share of what is left over that a tree takes away.</param>
    /// <param name="LeastWeight">Of the observations of a leaf.</param>
    /// <param name="Penalty">Observations of nothing that every leaf has besides.</param>
    public sealed record Settings(
        int Trees = 160,
        int Depth = 4,
        double Rate = 0.08,
        double LeastWeight = 8,
        double Penalty = 4
    );

    /// <summary>
    /// Fits observations in groups. Only differences within a group count: each has a constant of its own, which is not kept.
    /// </summary>
    /// <param name="x">Features of each observation.</param>
    /// <param name="y">What was observed.</param>
    /// <param name="weights">What each counts for.</param>
    /// <param name="groups">To which group each belongs, from 0.</param>
    /// <param name="settings">How.</param>
    public static BoostedTrees Fit(
        IReadOnlyList<double[]> x,
        IReadOnlyList<double> y,
        IReadOnlyList<double> weights,
        IReadOnlyList<int> groups,
        Settings settings
    )
    {
        var model = new BoostedTrees(x[0].Length);
        var bins = new Bins(x);
        double[] left = [.. y];
        int[] all = [.. Enumerable.Range(0, left.Length)];
        for (int t = 0; t < settings.Trees; t++)
        {
            Center(left, weights, groups);
            var nodes = new List<Node> { default };
            Grow(nodes, 0, all, settings.Depth, bins, left, weights, settings);
            Node[] tree = [.. nodes];
            model._trees.Add(tree);
            for (int i = 0; i < left.Length; i++)
            {
                int at = 0;
                while (tree[at] is { Feature: >= 0 } node)
                    at = node.Left + (x[i][node.Feature] < node.Value ? 0 : 1);
                left[i] -= tree[at].Value;
            }
        }
        return model;
    }

    private static void Center(double[] values, IReadOnlyList<double> weights, IReadOnlyList<int> groups)
    {
        var sums = new (double Sum, double Weight)[groups.Max() + 1];
        for (int i = 0; i < values.Length; i++)
            sums[groups[i]] = (sums[groups[i]].Sum + weights[i] * values[i], sums[groups[i]].Weight + weights[i]);
        for (int i = 0; i < values.Length; i++)
            values[i] -= sums[groups[i]].Sum / sums[groups[i]].Weight;
    }

    private static void Grow(
        List<Node> nodes,
        int at,
        int[] some,
        int depth,
        Bins bins,
        double[] left,
        IReadOnlyList<double> weights,
        Settings settings
    )
    {
        double sum = some.Sum(i => weights[i] * left[i]);
        double weight = some.Sum(i => weights[i]);
        var best = depth == 0 ? null : BestSplit(some, sum, weight, bins, left, weights, settings);
        if (best is not { } split)
        {
            nodes[at] = new Node(-1, settings.Rate * sum / (weight + settings.Penalty), 0);
            return;
        }
        int below = nodes.Count;
        nodes[at] = new Node(split.Feature, bins.Edges[split.Feature][split.Bin], below);
        nodes.Add(default);
        nodes.Add(default);
        int[] low = [.. some.Where(i => bins.Of[split.Feature][i] <= split.Bin)];
        int[] high = [.. some.Where(i => bins.Of[split.Feature][i] > split.Bin)];
        Grow(nodes, below, low, depth - 1, bins, left, weights, settings);
        Grow(nodes, below + 1, high, depth - 1, bins, left, weights, settings);
    }

    private static (int Feature, int Bin)? BestSplit(
        int[] some,
        double sum,
        double weight,
        Bins bins,
        double[] left,
        IReadOnlyList<double> weights,
        Settings settings
    )
    {
        (int Feature, int Bin)? best = null;
        double most = Score(sum, weight) * (1 + 1e-9) + 1e-9;
        var sums = new double[Bins.Most];
        var counts = new double[Bins.Most];
        for (int f = 0; f < bins.Of.Length; f++)
        {
            Array.Clear(sums);
            Array.Clear(counts);
            byte[] of = bins.Of[f];
            foreach (int i in some)
            {
                sums[of[i]] += weights[i] * left[i];
                counts[of[i]] += weights[i];
            }
            double s = 0;
            double w = 0;
            for (int b = 0; b < bins.Edges[f].Length; b++)
            {
                s += sums[b];
                w += counts[b];
                if (w < settings.LeastWeight || weight - w < settings.LeastWeight)
                    continue;
                double score = Score(s, w) + Score(sum - s, weight - w);
                if (score > most)
                    (most, best) = (score, (f, b));
            }
        }
        return best;

        double Score(double s, double w) => s * s / (w + settings.Penalty);
    }

    public void Write(TextWriter to)
    {
        to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Header} {FeatureCount}"));
        foreach (var tree in _trees)
            to.WriteLine(
                string.Join(
                    ' ',
                    tree.Select(n =>
                        n.Feature < 0
                            ? n.Value.ToString("G4", CultureInfo.InvariantCulture)
                            : string.Create(CultureInfo.InvariantCulture, $"{n.Feature}<{n.Value:R}>{n.Left}")
                    )
                )
            );
    }

    /// <exception cref="FormatException">It is no such text; says where.</exception>
    public static BoostedTrees Read(TextReader from)
    {
        string[] first = (from.ReadLine() ?? "").Split(' ');
        if (
            string.Join(' ', first.SkipLast(1)) != Header
            || !int.TryParse(first[^1], CultureInfo.InvariantCulture, out int features)
        )
            throw new FormatException($"line 1: it does not begin with '{Header}'");
        var model = new BoostedTrees(features);
        for (int number = 2; from.ReadLine() is { } line; number++)
        {
            string[] words = line.Split(' ');
            var tree = new Node[words.Length];
            for (int i = 0; i < words.Length; i++)
            {
                string[] parts = words[i].Split('<', '>');
                tree[i] =
                    parts.Length == 1
                        ? new Node(-1, Number(parts[0]), 0)
                        : new Node((int)Number(parts[0]), Number(parts[1]), (int)Number(parts[2]));
                // Every step goes further down, so that all paths end.
                if (
                    tree[i].Feature >= features
                    || (parts.Length > 1 && !(tree[i].Left > i && tree[i].Left + 1 < words.Length))
                )
                    throw new FormatException($"line {number}: node {i} leads nowhere");
            }
            model._trees.Add(tree);

            double Number(string word) =>
                double.TryParse(word, CultureInfo.InvariantCulture, out double value)
                    ? value
                    : throw new FormatException($"line {number}: '{word}' is no number");
        }
        return model;
    }

    /// <summary>Features in steps of about equally many observations.</summary>
    private sealed class Bins
    {
        public const int Most = 48;

        public Bins(IReadOnlyList<double[]> x)
        {
            int features = x[0].Length;
            Edges = new double[features][];
            Of = new byte[features][];
            for (int f = 0; f < features; f++)
            {
                double[] sorted = [.. x.Select(v => v[f]).Order()];
                double[] distinct = [.. sorted.Distinct()];
                double[] cuts =
                    distinct.Length <= Most
                        ? distinct
                        :
                        [
                            .. Enumerable
                                .Range(0, Most)
                                .Select(i => sorted[i * (sorted.Length - 1) / (Most - 1)])
                                .Distinct(),
                        ];
                // Between two values, so that rounding in a text file changes nothing.
                Edges[f] = [.. cuts.Zip(cuts.Skip(1), (a, b) => Math.Round((a + b) / 2, 5)).Distinct()];
                Of[f] = new byte[x.Count];
                for (int i = 0; i < x.Count; i++)
                {
                    int bin = 0;
                    while (bin < Edges[f].Length && x[i][f] >= Edges[f][bin])
                        bin++;
                    Of[f][i] = (byte)bin;
                }
            }
        }

        public double[][] Edges { get; }

        public byte[][] Of { get; }
    }
}
