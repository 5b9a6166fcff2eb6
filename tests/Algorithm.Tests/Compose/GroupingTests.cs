using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Compose;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Compose;

public class GroupingTests(ITestOutputHelper output)
{
    private const int MostArguments = 12;

    [Fact]
    public void Groups_compute_what_the_calls_do_one_after_another()
    {
        int joined = 0;
        for (int seed = 0; seed < 150; seed++)
        {
            var random = new RandomGroup(1000 + seed, 4 + seed % 9, RandomGroup.Near(seed, others: true));
            var program = random.Group;
            if (program.Calls.IsEmpty)
                continue;
            var groups = Grouping.Of(program, MostArguments);
            Assert.Equal(Enumerable.Range(0, program.Calls.Length), groups.SelectMany(g => g.Calls).Order());
            var memory = program.Values.Select((_, v) => (double[])random.Before(v).Clone()).ToArray();
            foreach (var (calls, whole) in groups)
            {
                Assert.Equal(calls.Length > 1, whole is not null);
                joined += whole is null ? 0 : 1;
                Run(whole ?? Alone(program, calls[0]), memory);
            }
            foreach (int value in program.Results)
            {
                var expected = random.After(value);
                for (int i = 0; i < expected.Length; i++)
                {
                    double a = memory[value][i];
                    if (a.Equals(expected[i]) || Math.Abs(a - expected[i]) <= 1e-9 * (1 + Math.Abs(expected[i])))
                        continue;
                    Assert.Fail(
                        $"seed {seed}, value {value}, element {i}: {a}, not {expected[i]}\n"
                            + string.Join('\n', program.Calls.Select(c => c.Problem.ToString()))
                    );
                }
            }
        }
        output.WriteLine($"{joined} groups of several calls");
        Assert.True(joined > 60, $"only {joined} groups of several calls");
    }

    private static JoinedGroup Alone(CallGroup program, int call)
    {
        var one = program.Calls[call];
        var written = one.Operands.Skip(one.Problem.Algorithm.Inputs.Length).Select(o => o.Value).Distinct();
        // What others wrote beside stays.
        return Joiner.Join(
            program with
            {
                Values = [.. program.Values.Select(v => v with { IsNew = false })],
                Calls = [one],
                Results = [.. written],
            }
        );
    }

    private static void Run(JoinedGroup group, double[][] memory)
    {
        var algorithm = group.Problem.Algorithm;
        var inputs = algorithm
            .Inputs.Zip(group.Inputs)
            .ToDictionary(
                p => p.First,
                p =>
                {
                    long[] dims = [.. p.First.Shape.Select(e => ((IntImm)e).Value)];
                    double[] elements = memory[p.Second];
                    return p.First.Type.IsFloat()
                        ? NDArray.Of(p.First.Type, dims, [.. elements])
                        : NDArray.Of(p.First.Type, dims, [.. elements.Select(e => (long)e)]);
                }
            );
        var made = Evaluator.Run(algorithm, inputs);
        foreach (var (buffer, value) in algorithm.Outputs.Zip(group.Outputs))
        {
            for (int i = 0; i < memory[value].Length; i++)
                memory[value][i] = made[buffer].At(i);
        }
    }

    [Fact]
    public void A_step_of_training_has_few_groups()
    {
        // h = relu(x w + b), y = h v, loss and gradient of y: the bias and relu behind the product, the loss with its gradient.
        var (values, calls) = (new List<GroupValue>(), new List<GroupCall>());
        int Value(params long[] dims)
        {
            values.Add(new(DType.Float32, [.. dims]));
            return values.Count - 1;
        }
        void Call(string spec, params int[] operands) =>
            calls.Add(new(Problem.Of(OperatorSpec.Parse(spec)), [.. operands.Select(v => new GroupOperand(v))]));
        var (x, w, b, v, t, one) = (Value(32, 30), Value(30, 20), Value(20), Value(20, 27), 5, 6);
        values.Add(new(DType.Int64, [32]));
        values.Add(new(DType.Float32, [1]));
        int[] made = [Value(32, 20), Value(32, 20), Value(32, 20), Value(32, 27), Value(), Value(32, 27)];
        t = 4;
        one = 5;
        Call("matmul m=32 n=20 k=30", x, w, made[0]);
        Call("add a=32x20 b=20", made[0], b, made[1]);
        Call("relu n=640", made[1], made[2]);
        Call("matmul m=32 n=27 k=20", made[2], v, made[3]);
        Call("cross_entropy rows=32 classes=27", made[3], t, made[4]);
        Call("cross_entropy.adjoint rows=32 classes=27", made[3], t, one, made[5]);
        var groups = Grouping.Of(new("step", [.. values], [.. calls], [made[2], made[4], made[5]]), MostArguments);
        Assert.Equal(["0,1,2", "3", "4,5"], groups.Select(g => string.Join(',', g.Calls)));
        Assert.Equal(2, groups[0].Joined!.Problem.Algorithm.Stages.Length);
    }

    [Fact]
    public void What_has_to_run_in_between_keeps_calls_apart()
    {
        // a = exp x; s = running sums of a; y = a + s: not one group without s, nor with it.
        var values = ImmutableArray.Create(
            new GroupValue(DType.Float32, [64]),
            new GroupValue(DType.Float32, [64]),
            new GroupValue(DType.Float32, [64]),
            new GroupValue(DType.Float32, [64])
        );
        GroupCall Call(string spec, params int[] operands) =>
            new(Problem.Of(OperatorSpec.Parse(spec)), [.. operands.Select(v => new GroupOperand(v))]);
        var groups = Grouping.Of(
            new(
                "between",
                values,
                [Call("exp n=64", 0, 1), Call("cumsum rows=1 cols=64", 1, 2), Call("add a=64 b=64", 1, 2, 3)],
                [3]
            ),
            MostArguments
        );
        Assert.Equal(3, groups.Count);
    }
}
