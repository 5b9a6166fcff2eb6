using Picograd.Schedules.Backend;

namespace Picograd.Tune;

/// <summary>A report as a table for terminals.</summary>
internal static class ReportText
{
    public static void Write(TextWriter to, IReadOnlyList<ReportLine> lines, ITuningTarget tuning, int threads)
    {
        var ceilings = tuning.Ceilings;
        bool gpu = tuning.Backend.Target.Gpu is not null;
        string tensor = ceilings.TensorGflops is { } t ? $", on tensor cores {Figures.Number(t)}" : "";
        to.WriteLine(
            gpu
                ? $"{tuning.Backend.Target.Fingerprint}: arithmetic ceiling {Figures.Number(ceilings.Gflops)} GFLOP/s{tensor}, copying {Figures.Number(ceilings.CopyGbps)} GB/s"
                : $"{threads} thread{(threads == 1 ? "" : "s")}, arithmetic ceiling {Figures.Number(ceilings.Gflops)} GFLOP/s"
        );
        (string Name, string Sentence, Func<ReportLine, double?> Of)[] libraries = gpu
            ?
            [
                ("vs cublaslt", "cuBLASLt", l => l.CublasLtMilliseconds),
                ("vs cudnn", "cuDNN", l => l.CudnnMilliseconds),
            ]
            : [("vs openblas", "OpenBLAS", l => l.OpenBlasMilliseconds)];
        var table = new TextTable([
            "operator",
            "source",
            ">time",
            ">rate",
            ">of ceiling",
            "limit",
            ">vs default",
            ">vs hand",
            .. libraries.Select(l => ">" + l.Name),
        ]);
        foreach (var line in lines)
        {
            table.Add([
                line.Spec,
                line.Source,
                Figures.Time(line.Milliseconds),
                RateOf(line),
                Figures.Percent(line.CeilingShare),
                line.Limit,
                Gain(line.DefaultMilliseconds, line),
                Gain(line.HandMilliseconds, line),
                .. libraries.Select(l => Gain(l.Of(line), line)),
            ]);
        }
        table.Write(to);
        foreach (
            var (name, of) in libraries
                .Select(l => (l.Sentence, l.Of))
                .Prepend(("hand-written kernels", l => l.HandMilliseconds))
                .Prepend(("default schedule", l => l.DefaultMilliseconds))
        )
            to.WriteLine($"against {name}: {Mean(lines, of)}");
        foreach (var line in lines.Where(l => l.Ladder.Count > 0))
        {
            var steps = line.Ladder.Select(s => $"{s.Key} {Figures.Ratio(s.Value / line.Milliseconds)}");
            to.WriteLine($"{line.Spec}: against each step by hand {string.Join(", ", steps)}");
        }
    }

    /// <summary>In the unit that limits it.</summary>
    public static string RateOf(ReportLine line) =>
        line.Gflops is { } g ? $"{Figures.Number(g)} GFLOP/s" : $"{Figures.Number(line.Gbps!.Value)} GB/s";

    /// <summary>How much faster ours is than another, over all operators that it has.</summary>
    public static string Mean(IReadOnlyList<ReportLine> lines, Func<ReportLine, double?> other)
    {
        double[] gains = [.. lines.Where(l => other(l) is not null).Select(l => other(l)!.Value / l.Milliseconds)];
        return gains.Length == 0
            ? "nothing to compare with here"
            : $"{Figures.Ratio(Math.Exp(gains.Average(Math.Log)))} (geometric mean of {gains.Length}), faster in {gains.Count(g => g > 1)}";
    }

    private static string? Gain(double? other, ReportLine line) =>
        other is { } ms ? Figures.Ratio(ms / line.Milliseconds) : null;
}
