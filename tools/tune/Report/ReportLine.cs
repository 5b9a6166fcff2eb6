using System.Text.Json.Serialization;

namespace Picograd.Tune;

/// <summary>One operator of a report, as every form of it shows: what was timed, and the ceiling.</summary>
internal sealed record ReportLine(
    [property: JsonPropertyName("spec")] string Spec,
    [property: JsonPropertyName("threads")] int Threads,
    [property: JsonPropertyName("source")] string Source,
    [property: JsonPropertyName("ms")] double Milliseconds,
    [property: JsonPropertyName("gflops")] double? Gflops,
    [property: JsonPropertyName("gbps")] double? Gbps,
    [property: JsonPropertyName("default_ms")] double DefaultMilliseconds,
    [property: JsonPropertyName("hand_ms")] double? HandMilliseconds,
    [property: JsonPropertyName("openblas_ms")] double? OpenBlasMilliseconds,
    [property: JsonPropertyName("cublaslt_ms")] double? CublasLtMilliseconds,
    [property: JsonPropertyName("cudnn_ms")] double? CudnnMilliseconds,
    [property: JsonPropertyName("ladder_ms")] IReadOnlyDictionary<string, double> Ladder,
    [property: JsonPropertyName("ceiling_ms")] double CeilingMilliseconds,
    [property: JsonPropertyName("ceiling_share")] double CeilingShare,
    [property: JsonPropertyName("limit")] string Limit
)
{
    /// <summary>Everything that was timed in turns, ours first.</summary>
    [JsonIgnore]
    public IReadOnlyList<TimedContender> Contenders { get; init; } = [];

    /// <summary>10^9 floating-point operations of one call, as its users count them.</summary>
    [JsonIgnore]
    public double Gigaflop { get; init; }

    /// <summary>Operations a byte that must be moved.</summary>
    [JsonIgnore]
    public double Intensity { get; init; }

    /// <summary>Joules of one call of ours; null where the machine does not tell.</summary>
    [JsonIgnore]
    public double? Joules { get; init; }

    /// <summary>What a page shows of its kernel; null where no page is made.</summary>
    [JsonIgnore]
    public KernelDetails? Details { get; init; }
}

/// <summary>One implementation's times.</summary>
/// <param name="Lib">Whose.</param>
/// <param name="Times">Of one call.</param>
internal sealed record TimedContender(string Lib, Spread Times);
