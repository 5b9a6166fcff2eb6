using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Xunit;

namespace Picograd.Tests;

/// <summary>A program that a page shows.</summary>
/// <param name="Name">Of the project that it is put into.</param>
/// <param name="Code">Letter by letter.</param>
/// <param name="Packages">What a newcomer has added to that project.</param>
internal sealed record Sample(string Name, string Code, params string[] Packages);

/// <summary>The programs of README.md and of the packages' pages.</summary>
internal static class Samples
{
    public const string Model = "readme-model";
    public const string Graph = "readme-graph";
    public const string Own = "readme-own";
    public const string Schedule = "readme-schedule";
    public const string Gpu = "readme-gpu";
    public const string Tensors = "page-picograd";
    public const string Cuda = "page-cuda";
    public const string Compiler = "page-compiler";
    public const string Data = "page-data";
    public const string Onnx = "page-onnx";

    public static string Root { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));

    public static IReadOnlyList<Sample> All()
    {
        string[] readme = Programs("README.md");
        Assert.Equal(5, readme.Length);
        return
        [
            new(Model, readme[0], "Picograd"),
            new(Graph, readme[1], "Picograd"),
            new(Own, readme[2], "Picograd"),
            new(Schedule, readme[3], "Picograd"),
            new(Gpu, readme[4], "Picograd", "Picograd.Cuda"),
            new(Tensors, Assert.Single(Programs("packages/Picograd/README.md")), "Picograd"),
            new(Cuda, Assert.Single(Programs("packages/Picograd.Cuda/README.md")), "Picograd.Cuda"),
            new(Data, Assert.Single(Programs("packages/Picograd.Data/README.md")), "Picograd.Data"),
            new(Onnx, Assert.Single(Programs("packages/Picograd.Onnx/README.md")), "Picograd.Onnx"),
            new(Compiler, Assert.Single(Programs("packages/Picograd.Compiler/README.md")), "Picograd.Compiler"),
        ];
    }

    private static string[] Programs(string page) =>
        [
            .. Regex
                .Matches(
                    File.ReadAllText(Path.Combine(Root, page)).ReplaceLineEndings("\n"),
                    "^```csharp\n(.*?)^```",
                    RegexOptions.Multiline | RegexOptions.Singleline
                )
                .Select(m => m.Groups[1].Value),
        ];

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
