using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Sizes, starts and counts up to the ends of int64: refused in words, nothing allocated, nothing read.</summary>
public class SizeLimitTests
{
    private const long Max = long.MaxValue;
    private static readonly Tensor Five = Tensor.Arange(5).Keep();

    // Views of more elements than memory holds are legal.
    private static Tensor Wide => Tensor.Ones(1).Expand(1L << 62);

    public static TheoryData<string, Action, string> Refused =>
        new()
        {
            { "narrow length", () => Five.Narrow(0, 1, Max), "allows 0 to 4" },
            { "narrow start", () => Five.Narrow(0, Max, 1), "allows -5 to 5" },
            { "narrow lowest start", () => Five.Narrow(0, long.MinValue, 1), "allows -5 to 5" },
            { "narrow lowest length", () => Five.Narrow(0, 1, long.MinValue), "allows 0 to 4" },
            { "empty", () => Tensor.Empty([1L << 62]), "bytes" },
            { "empty of bytes", () => Tensor.Empty([1L << 62], DType.UInt8), "bytes" },
            { "empty of longs", () => Tensor.Empty([1L << 61], DType.Int64), "bytes" },
            { "zeros", () => Tensor.Zeros(1L << 32, 1L << 32), "more elements than can be counted" },
            { "strides", () => Tensor.Zeros(0, 1L << 40, 1L << 40), "more elements than can be counted" },
            { "full", () => Tensor.Full([Max, 2], 1), "more elements than can be counted" },
            { "rand", () => Tensor.Rand(Max), "bytes" },
            { "eye", () => Tensor.Eye(1L << 32), "more elements than can be counted" },
            { "from", () => Tensor.From([1f], [1L << 40, 1L << 40]), "more elements than can be counted" },
            {
                "from one value",
                () => Tensor.From([1f], [1L << 40]),
                "1 values were given for the shape [1099511627776]"
            },
            { "split", () => Wide.Split(1), "would be 4611686018427387904 pieces" },
            {
                "flatten",
                () => Tensor.Zeros(0, 1).Expand(0, 1L << 62).T.Unsqueeze(0).Expand(1L << 40, -1, -1).Flatten(0, 1),
                "more elements"
            },
            { "reshape", () => Five.Reshape(1L << 62, 4), "more elements" },
            { "reshape that wraps to 5", () => Five.Reshape((1L << 62) + 5, 4, -1), "more elements" },
            { "reshape to infer", () => Five.Reshape(-1, 1L << 62, 4), "more elements" },
            { "view", () => Five.View(1L << 32, 1L << 32), "more elements" },
            { "expand", () => Tensor.Ones(1, 1).Expand(1L << 32, 1L << 32), "more elements than can be counted" },
            { "sum of a wide view", () => Wide.Sum(), "bytes" },
            { "clone of a wide view", () => Wide.Clone(), "bytes" },
            { "wide and wide", () => _ = Wide.Unsqueeze(1) + Wide, "bytes" },
            { "wide plus one", () => _ = Wide + 1, "bytes" },
            { "array of a wide view", () => Wide.ToArray<float>(), "array" },
            { "doubles of a wide view", () => Wide.ToDoubles(), "array" },
            { "cat of wide views", () => Tensor.Cat([Wide, Wide, Wide]), "than can be counted" },
            { "cat", () => Tensor.Cat([Wide.To(DType.Float32), Tensor.Ones(1)]), "bytes" },
            { "arange", () => Tensor.Arange(long.MinValue, Max), "too many" },
            { "arange of floats", () => Tensor.Arange(0.0, 1e300), "too many" },
            { "arange of all", () => Tensor.Arange(Max), "bytes" },
            { "one_hot", () => F.OneHot(Five, Max), "bytes" },
            { "index", () => _ = Five[Max], "out of range" },
            { "lowest index", () => _ = Five[long.MinValue], "out of range" },
            { "index tensor", () => _ = Five[Tensor.From([Max])], "out of range" },
            { "lowest index tensor", () => _ = Five[Tensor.From([long.MinValue])], "out of range" },
            { "dim", () => Five.Sum(int.MaxValue), "allows -1 to 0" },
            { "lowest dim", () => Five.Sum(int.MinValue), "allows -1 to 0" },
            { "rank", () => Tensor.Ones(Enumerable.Repeat(1L, 33).ToArray()), "at most 32 dimensions" },
            {
                "rank of a view",
                () => Tensor.Ones(1).Reshape(Enumerable.Repeat(1L, 80).ToArray()),
                "at most 32 dimensions"
            },
            {
                "rank of an expansion",
                () => Tensor.Ones(1).Expand(Enumerable.Repeat(1L, 65).ToArray()),
                "at most 32 dimensions"
            },
            { "permute", () => Five.Permute(Enumerable.Range(0, 65).ToArray()), "65 dimensions given" },
            { "permute twice", () => Tensor.Ones(2, 2).Permute(1, 1), "given twice" },
        };

    [Theory]
    [MemberData(nameof(Refused))]
    public void InWords(string name, Action run, string words)
    {
        var error = Record.Exception(run);
        Assert.True(
            error is ArgumentException or InvalidOperationException or IndexOutOfRangeException,
            $"{name}: {error}"
        );
        Assert.True(error.Message.Contains(words, StringComparison.Ordinal), $"{name}: {error.Message}");
    }

    [Fact]
    public void WhatIsCut()
    {
        Assert.Equal([4L], Five[new Slice(4, Max)].ToArray<long>());
        Assert.Equal([0L, 1, 2, 3, 4], Five[new Slice(long.MinValue, Max)].ToArray<long>());
        Assert.Equal([1L], Five[new Slice(1, Max, Max)].ToArray<long>());
        Assert.Empty(Five[new Slice(Max)].ToArray<long>());
        Assert.Empty(Five[new Slice(null, long.MinValue)].ToArray<long>());
        Assert.Equal([3L, 4], Five.Narrow(0, -2, 2).ToArray<long>());
        Assert.Equal([0, 1L << 40], Tensor.Zeros(0, 1).Expand(0, 1L << 40).Shape.ToArray());
        Assert.Single(Five.Split(Max));
        Assert.Equal([Max - 1], Tensor.Arange(Max - 1, Max).ToArray<long>());
        Assert.Equal(
            [long.MinValue, 0],
            Tensor.Arange(long.MinValue, 1, 1L << 62).ToArray<long>()[..3].Where((_, i) => i % 2 == 0)
        );
        Assert.Equal(1L << 62, Wide.NumElements);
        Assert.Equal([1.0, 1], Wide[new Slice(null, null, 1L << 61)].ToDoubles());
    }

    [Fact]
    public void SlicesWithoutAStepAreRefused()
    {
        Assert.Contains("step is 0", Assert.Throws<ArgumentOutOfRangeException>(() => new Slice(step: 0)).Message);
        Assert.Contains("step is -1", Assert.Throws<ArgumentOutOfRangeException>(() => new Slice(4, 1, -1)).Message);
    }
}
