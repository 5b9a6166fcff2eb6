using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Algorithms.Operators;
using Picograd.Algorithms.Text;
using Xunit;

namespace Picograd.Tests;

/// <summary>Own operators of every dtype that their bodies allow; own functions in texts; indices proven from declared domains.</summary>
public sealed class CustomOperatorWiderTests
{
    private static readonly CustomOperator s_turned = CustomOperator.Define(
        "wider_turned",
        "X[n, m] -> Y[m, n]",
        (g, x) =>
        {
            var (i, j) = (new Axis("i", x.Shape[1]), new Axis("j", x.Shape[0]));
            return g.Stage("Y", [i, j], x[j, x.Shape[1] - 1 - i]);
        }
    );

    private static readonly CustomOperator s_pairs = CustomOperator.Define(
        "wider_pairs",
        "X[n, m] -> Y[n]",
        (g, x) =>
        {
            var (i, k) = (new Axis("i", x.Shape[0]), new Axis("k", x.Shape[1]));
            return g.Stage("Y", [i], AlgorithmBuilder.Sum(k, x[i, k] * x[i, x.Shape[1] - 1 - k]));
        }
    );

    private static readonly CustomOperator s_exponentials = CustomOperator.Define(
        "wider_exponentials",
        "X[n] -> Y[n]",
        (g, x) =>
        {
            var i = new Axis("i", x.Shape[0]);
            return g.Stage("Y", [i], Op.Exp(x[i]));
        }
    );

    private static Tensor Numbers(DType type) => Tensor.From<float>([1, 0, 3, 0, 5, 6], [2, 3]).To(type);

    public static TheoryData<DType> Types => [.. DTypes.OfTensors];

    [Theory]
    [MemberData(nameof(Types))]
    public void What_is_moved_may_be_of_any_dtype(DType type)
    {
        var turned = s_turned.Call(Numbers(type));
        Assert.Equal(type, turned.DType);
        Assert.Equal(
            Tensor.From<float>([3, 6, 0, 5, 1, 0], [3, 2]).To(type).To(DType.Float32).ToArray<float>(),
            turned.To(DType.Float32).ToArray<float>()
        );
    }

    [Theory]
    [InlineData(DType.Int32)]
    [InlineData(DType.Int64)]
    [InlineData(DType.Float64)]
    [InlineData(DType.BFloat16)]
    public void Arithmetic_is_in_the_dtype_of_the_call(DType type)
    {
        var pairs = s_pairs.Call(Numbers(type));
        Assert.Equal(type, pairs.DType);
        Assert.Equal([6, 25], pairs.To(DType.Float32).ToArray<float>());
    }

    [Fact]
    public void Integers_are_exact()
    {
        var large = Tensor.From<long>([(1L << 53) + 1, 1, 7, (1L << 58) + 1], [2, 2]);
        Assert.Equal([2 * ((1L << 53) + 1), 14 * ((1L << 58) + 1)], s_pairs.Call(large).ToArray<long>());
    }

    [Fact]
    public void What_a_body_does_not_take_is_refused()
    {
        Refused<ArgumentException>(
            () => s_exponentials.Call(Tensor.Arange(3)),
            "wider_exponentials: X is i64, but must be f32 or f64 or f16 or bf16"
        );
        // There is no arithmetic in bytes.
        Refused<ArgumentException>(() => s_pairs.Call(Numbers(DType.UInt8)), "X is u8, but must be");
    }

    private static readonly ScalarFunction s_hypot = ScalarFunction.Elementary(
        "wider_hypot",
        (a, b) => Math.Sqrt(a * a + b * b)
    ) with
    {
        Derivatives = [(x, y, g) => g * (x[0] / y), (x, y, g) => g * (x[1] / y)],
        Error = (ErrorRule2)((a, ea, b, eb, y) => ea + eb),
        Float32 = x => Op.Sqrt(Op.Fma(x[0], x[0], x[1] * x[1])),
        MaxUlp = 2,
    };

    private static readonly CustomOperator s_lengths = CustomOperator.Elementwise(s_hypot);

    private static readonly ScalarFunction s_bent = ScalarFunction.Composed(
        "wider_bent",
        x => Op.Max(x, x * Op.Const(0.125, x.Type))
    );

    private static readonly CustomOperator s_bends = CustomOperator.Elementwise(
        "wider_bends",
        x => Op.Call(s_bent, x) + x
    );

    [Fact]
    public void Texts_hold_what_functions_of_the_program_stand_for()
    {
        var x = Tensor.Randn([5]);
        foreach (string text in new[] { s_lengths.TextFor(x, x), s_bends.TextFor(x) })
        {
            Assert.DoesNotContain("wider_hypot(", text, StringComparison.Ordinal);
            Assert.DoesNotContain("wider_bent(", text, StringComparison.Ordinal);
            var read = Problem.Parse(text);
            Assert.Equal(text, read.Text);
        }
        var own = Problem.Of(OperatorSpec.Parse("wider_hypot n=5")).Algorithm;
        var again = AlgorithmText.Parse(AlgorithmText.Print(own));
        // What is tuned from the text is found by the program.
        Assert.Equal(AlgorithmHash.Full(own), AlgorithmHash.Full(again));
        Assert.Equal(AlgorithmHash.Family(own), AlgorithmHash.Family(again));
        Assert.Null(AlgorithmText.Unreadable(own));
    }

    [Fact]
    public void Functions_that_have_no_other_form_are_read_by_their_program_alone()
    {
        var wide = Tensor.Randn([5]).To(DType.Float64);
        Refused<ArgumentException>(
            () => s_lengths.TextFor(wide, wide),
            "wider_hypot: the function wider_hypot is known to this program alone",
            "Float64"
        );
        var own = Problem.Of(OperatorSpec.Parse("wider_hypot n=5 dtype=f64")).Algorithm;
        Assert.Equal(AlgorithmText.Print(own), AlgorithmText.Print(AlgorithmText.Parse(AlgorithmText.Print(own))));
        string foreign = AlgorithmText.Print(own).Replace("wider_hypot(", "unheard_of(", StringComparison.Ordinal);
        var refused = Assert.Throws<AlgorithmTextException>(() => AlgorithmText.Parse(foreign));
        Assert.Contains("there is no function 'unheard_of'", refused.Message, StringComparison.Ordinal);
        Assert.Contains("read by that program alone", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Gradients_of_functions_in_texts_are_read_too()
    {
        var x = Tensor.From<float>([3, -5], [2]).RequiresGrad_();
        var y = Tensor.From<float>([4, 12], [2]).RequiresGrad_();
        s_lengths.Call(x, y).Sum().Backward();
        Assert.Equal([0.6f, -5f / 13], x.Grad!.ToArray<float>());
        var adjoint = Problem.Of(OperatorSpec.Parse("wider_hypot.adjoint n=5"));
        Assert.Equal(adjoint.Text, Problem.Parse(adjoint.Text).Text);
    }

    // The difference to the row after the one that an index names; 12 rows, or as many as there are.
    private static CustomAlgorithm After =>
        (g, x) =>
        {
            var (i, k) = (new Axis("i", x[1].Shape[0]), new Axis("k", x[0].Shape[1]));
            return [g.Stage("Y", [i, k], x[0][x[1][i] + 1, k] - x[0][x[1][i], k])];
        };

    private static readonly Dictionary<string, InputDomain> s_belowEleven = new() { ["I"] = InputDomain.Index(11) };

    private static readonly CustomOperator s_twelve = CustomOperator.Define(
        "wider_twelve",
        "W[12, d], I:i64[m] -> Y[m, d]",
        After,
        s_belowEleven
    );

    private static readonly CustomOperator s_many = CustomOperator.Define(
        "wider_many",
        "W[v, d], I:i64[m] -> Y[m, d]",
        After,
        s_belowEleven
    );

    [Fact]
    public void Places_beside_an_index_follow_from_its_domain()
    {
        var w = Tensor.Arange(24).To(DType.Float32).Square().Reshape(12, 2);
        var places = Tensor.From<long>([10, 0, 10], [3]);
        foreach (var op in new[] { s_twelve, s_many })
        {
            var given = w.Clone().RequiresGrad_();
            var rows = op.Call(given, places);
            Assert.Equal([84, 88, 4, 8, 84, 88], rows.ToArray<float>());
            rows.Sum().Backward();
            float[] expected = new float[24];
            foreach (long at in new long[] { 10, 0, 10 })
                for (int k = 0; k < 2; k++)
                {
                    expected[2 * at + k] -= 1;
                    expected[2 * at + 2 + k] += 1;
                }
            Assert.Equal(expected, given.Grad!.ToArray<float>());
            // What was declared is looked at.
            Refused<IndexOutOfRangeException>(() => op.Call(w, Tensor.From<long>([0, 11], [2])), "index 11 at place 1");
            Refused<IndexOutOfRangeException>(() => op.Call(w, Tensor.From<long>([-1], [1])), "index -1 at place 0");
        }
    }

    [Fact]
    public void Sizes_that_a_domain_does_not_fit_are_refused()
    {
        // The row after the last that the domain allows is the 12th.
        Refused<ArgumentException>(
            () => s_many.Call(Tensor.Zeros([11, 2]), Tensor.From<long>([0], [1])),
            "wider_many: stage Y",
            "into dimension 0 of W",
            "may be anywhere up to 11 of 11"
        );
        Refused<ArgumentException>(
            () => CustomOperator.Define("wider_eleven", "W[11, d], I:i64[m] -> Y[m, d]", After, s_belowEleven),
            "may be anywhere up to 11 of 11",
            "InputDomain.Index"
        );
    }

    private static void Refused<T>(Func<object> call, params string[] parts)
        where T : Exception
    {
        var refused = Assert.Throws<T>(() =>
        {
            call();
        });
        Assert.All(parts, part => Assert.Contains(part, refused.Message, StringComparison.Ordinal));
    }
}
