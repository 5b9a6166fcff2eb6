namespace Picograd.Formats;

/// <summary>A type of tensors in GGUF files: a dtype, or blocks of a quantised one. Numbers are those of <c>ggml_type</c>.</summary>
internal sealed record GgufType(uint Number, string Name, DType Type, QuantBlocks? Blocks = null)
{
    public static readonly GgufType[] All =
    [
        new(0, "f32", DType.Float32),
        new(1, "f16", DType.Float16),
        new(2, "q4_0", DType.Float32, QuantBlocks.Q4_0),
        new(3, "q4_1", DType.Float32, QuantBlocks.Q4_1),
        new(6, "q5_0", DType.Float32, QuantBlocks.Q5_0),
        new(7, "q5_1", DType.Float32, QuantBlocks.Q5_1),
        new(8, "q8_0", DType.Float32, QuantBlocks.Q8_0),
        new(10, "q2_k", DType.Float32, QuantBlocks.Q2K),
        new(11, "q3_k", DType.Float32, QuantBlocks.Q3K),
        new(12, "q4_k", DType.Float32, QuantBlocks.Q4K),
        new(13, "q5_k", DType.Float32, QuantBlocks.Q5K),
        new(14, "q6_k", DType.Float32, QuantBlocks.Q6K),
        new(24, "i8", DType.Int8),
        new(25, "i16", DType.Int16),
        new(26, "i32", DType.Int32),
        new(27, "i64", DType.Int64),
        new(28, "f64", DType.Float64),
        new(30, "bf16", DType.BFloat16),
    ];

    // Those that are not read, for messages.
    private static readonly Dictionary<uint, string> Others = new()
    {
        [9] = "q8_1",
        [15] = "q8_k",
        [16] = "iq2_xxs",
        [17] = "iq2_xs",
        [18] = "iq3_xxs",
        [19] = "iq1_s",
        [20] = "iq4_nl",
        [21] = "iq3_s",
        [22] = "iq2_s",
        [23] = "iq4_xs",
        [29] = "iq1_m",
        [34] = "tq1_0",
        [35] = "tq2_0",
        [39] = "mxfp4",
    };

    public static GgufType? Of(uint number) => Array.Find(All, t => t.Number == number);

    public static string NameOf(uint number) =>
        Of(number)?.Name ?? (Others.TryGetValue(number, out string? name) ? $"{name} ({number})" : $"{number}");
}
