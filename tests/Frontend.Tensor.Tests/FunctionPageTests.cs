using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.RegularExpressions;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// docs/pytorch-functions.md is written from the public methods of tensors and of <see cref="F"/>: PICOGRAD_UPDATE_PAGES=1 writes it anew.
/// </summary>
public sealed partial class FunctionPageTests
{
    // What PyTorch writes in one word.
    private static readonly HashSet<string> OneWord =
    [
        "AllClose",
        "ArgMax",
        "ArgMin",
        "ArgSort",
        "CumMax",
        "CumMin",
        "CumProd",
        "Deg2Rad",
        "EigvalsH",
        "FftFreq",
        "FftN",
        "FftShift",
        "FlipLr",
        "FlipUd",
        "HFftN",
        "I0E",
        "I1E",
        "IFftN",
        "IFftShift",
        "IHFftN",
        "IRFftN",
        "IsClose",
        "IsFinite",
        "IsIn",
        "IsInf",
        "IsNan",
        "IsNegInf",
        "IsPosInf",
        "IsReal",
        "KthValue",
        "LogAddExp",
        "LogAddExp2",
        "LogCumSumExp",
        "LogDet",
        "LogSumExp",
        "LstSq",
        "MatMul",
        "MoveDim",
        "NanMean",
        "NanMedian",
        "NanQuantile",
        "NanSum",
        "NonZero",
        "RFftFreq",
        "RFftN",
        "Rad2Deg",
        "RandInt",
        "RandPerm",
        "SearchSorted",
        "SlogDet",
        "SvdVals",
        "TensorDot",
        "TensorInv",
        "TensorSolve",
        "TopK",
        "VecDot",
    ];

    private static readonly Dictionary<string, string> OtherNames = new()
    {
        ["From"] = "tensor",
        ["ToDevice"] = "to",
        ["RandIntLike"] = "randint_like",
        ["ToArray"] = "numpy",
        ["ToMultiArray"] = "tolist",
        ["SetPrintOptions"] = "set_printoptions",
        ["GetPrintOptions"] = "get_printoptions",
        ["Var"] = "var",
    };

    // By the class that has their functions.
    private static readonly Dictionary<Type, string> Modules = new()
    {
        [typeof(F)] = "nn.functional.",
        [typeof(Linalg)] = "linalg.",
        [typeof(FFT)] = "fft.",
        [typeof(Special)] = "special.",
    };

    // What has no counterpart there.
    private static readonly HashSet<string> Own =
    [
        "Dispose",
        "Equals",
        "GetHashCode",
        "GetType",
        "ToString",
        "Keep",
        "Named",
        "Scope",
        "ToDoubles",
        "AsSpan",
        "FromMemory",
        "ZeroGrad_",
    ];

    [Fact]
    public void The_page_lists_what_there_is()
    {
        string path = Path.Combine(Root(), "docs", "pytorch-functions.md");
        string written = Page();
        if (Environment.GetEnvironmentVariable("PICOGRAD_UPDATE_PAGES") == "1")
            File.WriteAllText(path, written);
        Assert.Equal(written, File.ReadAllText(path).ReplaceLineEndings("\n"));
    }

    [Fact]
    public void Names_of_the_lists_are_those_of_methods()
    {
        var names = Methods().Select(m => m.Name).ToHashSet();
        Assert.All(OneWord.Concat(OtherNames.Keys), n => Assert.Contains(n, names));
    }

    private static IEnumerable<MethodInfo> Methods() =>
        new[] { typeof(Tensor), typeof(F), typeof(Linalg), typeof(FFT), typeof(Special) }
            .SelectMany(t =>
                t.GetMethods(
                    BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly
                )
            )
            .Where(m => !m.IsSpecialName && !Own.Contains(m.Name));

    private static string Page()
    {
        var text = new StringBuilder();
        text.Append(
            "# PyTorch's functions and those here\n\n"
                + "Written from the public methods by `FunctionPageTests`. `t.` are methods of tensors, `Tensor.`, `F.`, `Linalg.`, `FFT.` and `Special.` functions; several forms "
                + "are separated by ·. Operators (`+`, `@`'s `MatMul`, `<`, `&`, `[…]`) and what differs on purpose are in [pytorch.md](pytorch.md).\n\n"
                + "| PyTorch | here |\n|---|---|\n"
        );
        foreach (
            var functions in Methods()
                .GroupBy(m => (Theirs: NameOf(m.Name), m.DeclaringType))
                .OrderBy(g => g.Key.Theirs, StringComparer.Ordinal)
                .ThenBy(g => g.Key.DeclaringType!.Name, StringComparer.Ordinal)
        )
        {
            var forms = functions.Select(Form).Distinct().OrderBy(f => f.Length).ThenBy(f => f, StringComparer.Ordinal);
            string module = Modules.GetValueOrDefault(functions.Key.DeclaringType!, "");
            text.Append($"| `{module}{functions.Key.Theirs}` | `{string.Join("` · `", forms)}` |\n");
        }
        return text.ToString();
    }

    private static string NameOf(string name) =>
        OtherNames.GetValueOrDefault(name)
        ?? (OneWord.Contains(name.TrimEnd('_')) ? name : Word().Replace(name, "_$1")).ToLowerInvariant();

    private static string Form(MethodInfo m)
    {
        string on = m.IsStatic ? m.DeclaringType!.Name + "." : "t.";
        return $"{on}{m.Name}({string.Join(", ", m.GetParameters().Select(p => p.Name + (p.IsOptional ? "?" : "")))})";
    }

    private static string Root([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", ".."));

    [GeneratedRegex("(?<=[a-z0-9])([A-Z])")]
    private static partial Regex Word();
}
