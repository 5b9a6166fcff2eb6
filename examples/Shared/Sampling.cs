using System.CommandLine;

namespace Picograd.Examples;

/// <summary>How language models choose the next token.</summary>
internal sealed record Sampling(double Temperature, int TopK, double TopP, Generator Generator)
{
    public static Option<double> TemperatureOption { get; } =
        Example.Option("--temperature", 0.0, "How bold the choice is; 0 takes the likeliest token always");

    public static Option<int> TopKOption { get; } =
        Example.Option("--top-k", 0, "Choose among the k likeliest tokens only; 0 for all");

    public static Option<double> TopPOption { get; } =
        Example.Option("--top-p", 1.0, "Choose among the likeliest tokens that have this probability together");

    public static Sampling Of(ParseResult parsed) =>
        new(
            parsed.Within(TemperatureOption, 0, 100),
            parsed.Within(TopKOption, 0, int.MaxValue),
            parsed.Within(TopPOption, 0, 1),
            new Generator(parsed.GetValue(Example.Seed))
        );

    /// <summary>The next token by logits [vocabulary].</summary>
    public int Next(Tensor logits) =>
        Temperature == 0
            ? (int)logits.ArgMax().Item<long>()
            : (int)Probabilities(logits).Multinomial(1, generator: Generator).Item<long>();

    /// <summary>What tokens are drawn with, from logits [vocabulary]; those that are out of the choice have 0.</summary>
    public Tensor Probabilities(Tensor logits)
    {
        if (Temperature == 0)
            return F.OneHot(logits.ArgMax(), logits.Size(0)).To(DType.Float32);
        logits = logits / Temperature;
        if (TopK > 0 && TopK < logits.Size(0))
            logits = logits.MaskedFill(logits < logits.TopK(TopK).Values[-1], double.NegativeInfinity);
        if (TopP < 1)
        {
            var (sorted, order) = logits.Softmax(-1).Sort(descending: true);
            // A token stays while those before it have less than top-p together; the first one always does.
            var out_ = (sorted.Cumsum(0) - sorted) >= TopP;
            out_[0] = false;
            logits = logits.MaskedFill(Tensor.ZerosLike(out_).Scatter(0, order, out_), double.NegativeInfinity);
        }
        return logits.Softmax(-1);
    }
}
