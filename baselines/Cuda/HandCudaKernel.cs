using System.Collections.Immutable;
using System.Reflection;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Prelude;

namespace Picograd.Baselines;

/// <summary>
/// A kernel of this folder's texts, as a program of one launch. Buffers are passed first, then numbers; the grid is in terms
/// of the numbers.
/// </summary>
/// <param name="Text">File of the text, without its ending.</param>
/// <param name="Kernel">Name of the function.</param>
/// <param name="Threads">Threads of a block.</param>
/// <param name="Buffers">Number of addresses that it takes.</param>
/// <param name="Numbers">Names of the whole numbers that follow them.</param>
/// <param name="Grid">Blocks along x and y from the numbers.</param>
public sealed record HandCudaKernel(
    string Text,
    string Kernel,
    int Threads,
    int Buffers,
    ImmutableArray<string> Numbers,
    Func<ImmutableArray<Expr>, (Expr X, Expr Y)> Grid
)
{
    private const string Needs = "// prelude:";

    /// <summary>The float32 ladder, each step one idea further.</summary>
    public static ImmutableArray<HandCudaKernel> Sgemm { get; } =
    [
        Product("sgemm", "sgemm_naive", 1024, 32),
        Product("sgemm", "sgemm_coalesced", 1024, 32),
        Product("sgemm", "sgemm_shared", 1024, 32),
        Product("sgemm", "sgemm_tile2d", 256, 128),
        Product("sgemm", "sgemm_vectorised", 256, 128),
        Product("sgemm", "sgemm_warptile", 128, 128),
    ];

    /// <summary>bfloat16 through tensor cores.</summary>
    public static HandCudaKernel GemmBf16 { get; } = Product("gemm_bf16", "gemm_bf16", 256, 128);

    public static HandCudaKernel Softmax { get; } = Rows("softmax_rows");

    public static HandCudaKernel Layernorm { get; } = Rows("layernorm_rows");

    public static HandCudaKernel SumRows { get; } = Rows("sum_rows");

    public static HandCudaKernel Add { get; } = Vector("add_vectors", 3);

    public static HandCudaKernel Exp { get; } = Vector("exp_vector", 2);

    public static HandCudaKernel Tanh { get; } = Vector("tanh_vector", 2);

    public static HandCudaKernel Transpose { get; } =
        new(
            "vectors",
            "transpose_tiles",
            256,
            2,
            ["rows", "columns"],
            n => (Op.CeilDiv(n[1], 32), Op.CeilDiv(n[0], 32))
        );

    /// <summary>All of them.</summary>
    public static ImmutableArray<HandCudaKernel> All { get; } =
    [.. Sgemm, GemmBf16, Softmax, Layernorm, SumRows, Add, Exp, Tanh, Transpose];

    /// <summary>The kernel with everything that compiling and launching it takes.</summary>
    public CudaProgram Program()
    {
        string text = Source();
        string needs = text.Split('\n').FirstOrDefault(l => l.StartsWith(Needs, StringComparison.Ordinal)) ?? Needs;
        string[] functions = needs[Needs.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var numbers = Numbers.Select(n => new Var(n)).ToImmutableArray();
        var (x, y) = Grid([.. numbers]);
        var buffers = Enumerable
            .Range(0, Buffers)
            .Select(i => new Buffer($"p{i}", DType.UInt8, [1]))
            .ToImmutableArray();
        var launch = new CudaLaunch(
            Kernel,
            x,
            y,
            1,
            Threads,
            0,
            [
                .. buffers.Select(b => new BufferArgument(b)),
                .. numbers.Select(n => (CudaArgument)new ParameterArgument(n)),
            ]
        );
        string source = functions.Length == 0 ? text : PreludeText.Source(functions) + "\n" + text;
        return new CudaProgram(Kernel, source, [launch], buffers, numbers, []);
    }

    private string Source()
    {
        var assembly = Assembly.GetExecutingAssembly();
        string name = $"Picograd.Baselines.Cuda.Kernels.{Text}.cu";
        using var stream =
            assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"the resource {name} is missing from {assembly.GetName().Name}");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static HandCudaKernel Product(string text, string kernel, int threads, int tile) =>
        new(text, kernel, threads, 3, ["m", "n", "k"], n => (Op.CeilDiv(n[1], tile), Op.CeilDiv(n[0], tile)));

    private static HandCudaKernel Rows(string kernel) =>
        new("rows", kernel, 256, 2, ["rows", "columns"], n => (n[0], 1));

    private static HandCudaKernel Vector(string kernel, int buffers) =>
        new("vectors", kernel, 256, buffers, ["n"], n => (Op.CeilDiv(n[0], 1024), 1));
}
