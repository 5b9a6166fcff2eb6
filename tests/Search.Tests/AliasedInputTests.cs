using Picograd.Algorithms.Operators;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Search;
using Picograd.Search.Measurement;
using Xunit;

namespace Picograd.Tests;

/// <summary>Inputs whose strides are 0 or overlap: the checker's arrays must say what memory can hold.</summary>
public class AliasedInputTests
{
    /// <summary>Shapes and strides at random: 0, 1, overlapping, with gaps, transposed.</summary>
    private static IEnumerable<string> Specs(int count)
    {
        var random = new Random(11);
        for (int i = 0; i < count; i++)
        {
            int rank = random.Next(1, 4);
            var shape = Enumerable.Range(0, rank).Select(_ => random.Next(1, 9)).ToArray();
            var strides = Enumerable.Range(0, rank).Select(_ => random.Next(0, random.Next(2) == 0 ? 3 : 12));
            string type = random.Next(4) switch
            {
                0 => " dtype=i64",
                1 => " dtype=bf16",
                _ => "",
            };
            yield return $"copy shape={string.Join('x', shape)} strides={string.Join(',', strides)}{type}";
        }
    }

    [Fact]
    public void ElementsThatShareAPlaceHaveOneValue()
    {
        int aliased = 0;
        foreach (string text in Specs(200).Prepend("copy shape=7x3 strides=1,0"))
        {
            var spec = OperatorSpec.Parse(text);
            foreach (var kind in Enum.GetValues<InputKind>())
            {
                var (buffer, array) = spec.MakeInputs(3, kind).Single();
                var at = new Dictionary<long, double>();
                for (int i = 0; i < array.Length; i++)
                {
                    long rest = i;
                    long offset = 0;
                    for (int d = array.Shape.Length - 1; d >= 0; d--)
                    {
                        offset += rest % array.Shape[d] * buffer.Strides[d];
                        rest /= array.Shape[d];
                    }
                    if (!at.TryAdd(offset, array.At(i)))
                    {
                        aliased++;
                        Assert.Equal(at[offset], array.At(i));
                    }
                }
            }
        }
        Assert.True(aliased > 1000);
    }

    [Fact]
    public void CertificationAndTheRunnerPassRightKernelsOfAnyStrides()
    {
        foreach (string text in Specs(25).Prepend("copy shape=7x3 strides=1,0").Append("copy shape=6x5 strides=2,2"))
        {
            var task = Machine.Task(text);
            var nest = DefaultSchedule.For(task.Algorithm, task.Target);
            var certification = new Certifier(task.Problem, task.On, seed: 3).Certify(nest);
            Assert.True(certification.Ok, $"{text}: {certification.Detail}");
            using var runner = new InProcessRunner(task, seed: 1);
            var candidate = new Candidate(null, new Dictionary<string, long>(), nest);
            var measured = Assert.Single(runner.Measure([candidate], double.PositiveInfinity, default));
            Assert.True(measured.IsTimed, $"{text}: {measured.Detail}");
        }
    }
}
