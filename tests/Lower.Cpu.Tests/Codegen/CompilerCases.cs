using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Picograd.Algorithms;
using Picograd.Algorithms.Text;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>
/// A fixed list of algorithms and schedules, both as text, so that neither operators nor rules decide what is compiled: hashes of the
/// code made of them are the compiler's versions in the keys of tuned records.
/// </summary>
internal static class CompilerCases
{
    private const string Update = "PICOGRAD_UPDATE";

    /// <summary>The nests of a file of cases, by name.</summary>
    public static IEnumerable<(string Name, LoopNest Nest)> Read(string file)
    {
        foreach (
            string part in File.ReadAllText(file)
                .ReplaceLineEndings("\n")
                .Split("=== ", StringSplitOptions.RemoveEmptyEntries)
        )
        {
            string[] pieces = part.Split("---\n");
            string[] head = pieces[0].Split('\n', 2);
            yield return (head[0], Trace.Parse(pieces[1]).Replay(AlgorithmText.Parse(head[1])));
        }
    }

    /// <summary>A case as its file has it.</summary>
    public static string Write(string name, LoopNest nest) => $"=== {name}\n{nest.Algorithm}---\n{Trace.Of(nest)}";

    public static string FileOf(string name, [CallerFilePath] string own = "") =>
        Path.Combine(Path.GetDirectoryName(own)!, name);

    /// <summary>Holds the hash of generated code against the constant in <c>tunedb/CompilerVersion.BACKEND.cs</c>.</summary>
    public static void Check(string backend, string code, [CallerFilePath] string own = "")
    {
        string version = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(code)))[..12];
        string file = Path.GetFullPath(
            Path.Combine(Path.GetDirectoryName(own)!, $"../../../tunedb/CompilerVersion.{backend}.cs")
        );
        string text = File.ReadAllText(file);
        if (Environment.GetEnvironmentVariable(Update) == "1")
            File.WriteAllText(file, text = Regex.Replace(text, "\"[0-9a-z]*\"", $"\"{version}\""));
        Assert.True(
            text.Contains($"\"{version}\"", StringComparison.Ordinal),
            $"""
            The code generated for {backend} changed, so times and certifications of records no longer hold. Where that was meant, the
            version in {file} becomes
                public const string {backend} = "{version}";
            'scripts/compiler-version' writes it, also after a merge in which both sides changed it.
            """
        );
    }
}
