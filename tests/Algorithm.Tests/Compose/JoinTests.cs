using Picograd.Algorithms;
using Picograd.Algorithms.Compose;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Text;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Compose;

public class JoinTests(ITestOutputHelper output)
{
    // PICOGRAD_JOINED_GROUPS=100000 for the long form.
    private static readonly int Groups = int.TryParse(
        Environment.GetEnvironmentVariable("PICOGRAD_JOINED_GROUPS"),
        out int groups
    )
        ? groups
        : 300;

    [Fact]
    public void What_is_joined_computes_what_the_calls_do_one_after_another()
    {
        int joined = 0;
        int together = 0;
        var refused = new Dictionary<string, int>();
        for (int seed = 0; joined < Groups; seed++)
        {
            var random = new RandomGroup(seed, 2 + seed % 7, RandomGroup.Draw);
            if (random.Group.Calls.IsEmpty)
                continue;
            JoinedGroup whole;
            try
            {
                whole = Joiner.Join(random.Group);
            }
            catch (JoinException e)
            {
                string reason = e.Message[(e.Message.IndexOf(": ", StringComparison.Ordinal) + 1)..];
                refused[reason] = refused.GetValueOrDefault(reason) + 1;
                continue;
            }
            joined++;
            together += random.Group.Calls.Length > 1 ? 1 : 0;
            Check(random, whole, seed);
        }
        output.WriteLine($"{joined} groups, {together} of several calls");
        foreach (var (reason, times) in refused)
            output.WriteLine($"refused {times} times:{reason}");
        Assert.True(refused.Values.Sum() * 5 < joined, "more than a fifth is refused");
    }

    [Fact]
    public void The_hash_depends_neither_on_names_nor_on_the_order_of_independent_calls()
    {
        int moved = 0;
        for (int seed = 0; seed < 100; seed++)
        {
            var group = new RandomGroup(seed, 3 + seed % 6, RandomGroup.Draw).Group;
            if (group.Calls.IsEmpty)
                continue;
            var other = Shuffled(group, new Random(seed));
            moved += other.Calls.Zip(group.Calls).Any(p => p.First.Problem != p.Second.Problem) ? 1 : 0;
            var (a, b) = (Joiner.Join(group), Joiner.Join(other));
            Assert.True(
                a.Problem.Hash == b.Problem.Hash,
                $"seed {seed}\n{Text(group)}\n{a.Problem.Text}\n{b.Problem.Text}"
            );
        }
        Assert.True(moved > 30, $"only {moved} were in another order");
    }

    // Values in another order, and calls that do not touch what the other writes.
    private static CallGroup Shuffled(CallGroup group, Random random)
    {
        int[] order = [.. Enumerable.Range(0, group.Values.Length)];
        random.Shuffle(order);
        var calls = group.Calls.ToList();
        for (int n = 0; n < 50 && calls.Count > 1; n++)
        {
            int i = random.Next(calls.Count - 1);
            var (a, b) = (Touched(calls[i]), Touched(calls[i + 1]));
            if (!a.Written.Overlaps(b.All) && !b.Written.Overlaps(a.All))
                (calls[i], calls[i + 1]) = (calls[i + 1], calls[i]);
        }
        int[] results = [.. group.Results.Select(v => order[v])];
        random.Shuffle(results);
        return new(
            "shuffled",
            [.. order.Select((_, to) => group.Values[Array.IndexOf(order, to)])],
            [
                .. calls.Select(c =>
                    c with
                    {
                        Operands = [.. c.Operands.Select(o => o with { Value = order[o.Value] })],
                    }
                ),
            ],
            [.. results]
        );

        static (HashSet<int> Written, HashSet<int> All) Touched(GroupCall call) =>
            (
                [.. call.Operands.Skip(call.Problem.Algorithm.Inputs.Length).Select(o => o.Value)],
                [.. call.Operands.Select(o => o.Value)]
            );
    }

    private static void Check(RandomGroup random, JoinedGroup whole, int seed)
    {
        var algorithm = whole.Problem.Algorithm;
        var inputs = algorithm
            .Inputs.Zip(whole.Inputs)
            .ToDictionary(p => p.First, p => Filled(p.First, random.Before(p.Second)));
        var made = Evaluator.Run(algorithm, inputs);
        Assert.Equal(random.Group.Results.Distinct().Order(), whole.Outputs.Order());
        foreach (var (buffer, value) in algorithm.Outputs.Zip(whole.Outputs))
        {
            double[] expected = random.After(value);
            var actual = made[buffer];
            Assert.Equal(expected.Length, actual.Length);
            for (int i = 0; i < expected.Length; i++)
            {
                double a = actual.At(i);
                if (a.Equals(expected[i]) || Math.Abs(a - expected[i]) <= 1e-9 * (1 + Math.Abs(expected[i])))
                    continue;
                Assert.Fail(
                    $"seed {seed}, value {value}, element {i}: {a}, {expected[i]} one after another\n{Text(random.Group)}\n{algorithm}"
                );
            }
        }
        // Its text reads back, and names are each one thing's.
        var read = Problem.Parse(whole.Problem.Text);
        Assert.Equal(whole.Problem.Hash, read.Hash);
        Assert.Equal(whole.Problem.Text, read.Text);
    }

    private static NDArray Filled(Buffer buffer, double[] elements)
    {
        long[] dims = [.. buffer.Shape.Select(e => ((IntImm)e).Value)];
        return buffer.Type.IsFloat()
            ? NDArray.Of(buffer.Type, dims, [.. elements])
            : NDArray.Of(buffer.Type, dims, [.. elements.Select(e => (long)e)]);
    }

    private static string Text(CallGroup group) =>
        string.Join(
            '\n',
            group
                .Values.Select((v, i) => $"value {i}: {v.Type}[{string.Join(", ", v.Dims)}]{(v.IsNew ? " new" : "")}")
                .Concat(
                    group.Calls.Select(c =>
                        $"{c.Problem} on {string.Join("; ", c.Operands.Select(o => $"{o.Value}+{o.Offset}" + (o.Strides.IsDefault ? "" : $" by {string.Join(",", o.Strides)}")))}"
                    )
                )
        );
}
