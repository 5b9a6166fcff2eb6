using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;

namespace Picograd.Tests.Tutorial;

/// <summary>One step of docs/scheduling.md: its title, its code, and the trace, nest and warnings that the page shows.</summary>
internal sealed record TutorialStep(string Title, string Code, string Trace, string Nest, string Warnings)
{
    public string Operator =>
        Code.Contains("softmax", StringComparison.Ordinal) ? "softmax rows=512 cols=1024" : "matmul m=512 n=512 k=512";
}

/// <summary>docs/scheduling.md as text, and its code as compiled methods.</summary>
internal sealed partial class TutorialPage
{
    private const string Marker = "<!-- step -->";

    private readonly Type _program;

    private TutorialPage(string text)
    {
        Text = text;
        Steps = [.. Sections().Matches(text).Select(m => Step(m.Groups[1].Value, m.Groups[2].Value))];
        _program = Compile();
    }

    public static string Path { get; } =
        System.IO.Path.GetFullPath(
            System.IO.Path.Combine(
                System.IO.Path.GetDirectoryName(ThisFile())!,
                "..",
                "..",
                "..",
                "docs",
                "scheduling.md"
            )
        );

    public static Lazy<TutorialPage> Instance { get; } =
        new(() => new TutorialPage(File.ReadAllText(Path).ReplaceLineEndings("\n")));

    public string Text { get; private set; }

    public IReadOnlyList<TutorialStep> Steps { get; }

    /// <summary>Runs the code of a step.</summary>
    public LoopNest Nest(TutorialStep step) => (LoopNest)Call(Method(step));

    /// <summary>The page's own stopwatch.</summary>
    public double Milliseconds(LoopNest nest, int calls) => (double)Call("Milliseconds", nest, calls);

    /// <summary>The page with the blocks below each marker written again.</summary>
    public string With(Func<TutorialStep, string> shown, string times, string warnings)
    {
        string text = Sections().Replace(Text, m => Again(m, shown));
        text = Between(text, "<!-- times -->", times);
        return Between(text, "<!-- warnings -->", warnings);
    }

    private static string Between(string text, string marker, string content)
    {
        int begin = text.IndexOf(marker, StringComparison.Ordinal) + marker.Length;
        int end = text.IndexOf("\n## ", begin, StringComparison.Ordinal);
        return text[..begin] + "\n\n" + content.Trim() + "\n" + (end < 0 ? "" : text[end..]);
    }

    private string Again(Match section, Func<TutorialStep, string> shown)
    {
        var step = Steps.First(s => s.Title == section.Groups[1].Value);
        string body = section.Groups[2].Value;
        int marker = body.IndexOf(Marker, StringComparison.Ordinal);
        int last = body.LastIndexOf("```", StringComparison.Ordinal) + 3;
        if (body.IndexOf("<!-- end of step -->", StringComparison.Ordinal) is >= 0 and var end)
            last = end + "<!-- end of step -->".Length;
        return $"### {step.Title}\n{body[..marker]}{Marker}\n\n{shown(step)}\n<!-- end of step -->{body[last..]}";
    }

    private static TutorialStep Step(string title, string body)
    {
        string Block(string kind) =>
            Regex.Match(body, $"```{kind}\n(.*?)```", RegexOptions.Singleline) is { Success: true } m
                ? m.Groups[1].Value
                : "";
        var warnings = Regex.Matches(body, @"^> (.*)$", RegexOptions.Multiline).Select(m => m.Groups[1].Value);
        return new TutorialStep(title, Block("csharp"), Block("trace"), Block("nest"), string.Join('\n', warnings));
    }

    private string Block(string kind) =>
        Regex.Match(Text, $"```csharp {kind}\n(.*?)```", RegexOptions.Singleline).Groups[1].Value;

    private static string Method(TutorialStep step) => $"Step{step.Title.Split('.')[0]}";

    private object Call(string method, params object[] arguments)
    {
        try
        {
            return _program
                .GetMethod(method, BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public)!
                .Invoke(null, arguments)!;
        }
        catch (TargetInvocationException e)
        {
            throw new InvalidOperationException(
                $"{method} of the page failed: {e.InnerException!.Message}",
                e.InnerException
            );
        }
    }

    // The page's statements in methods of one class; what an SDK project has for implicit usings is given.
    private Type Compile()
    {
        var lines = (Block("setup") + Block("harness"))
            .Split('\n')
            .ToLookup(l => l.StartsWith("using ") && l.EndsWith(';') && !l.Contains('='));
        string setup = string.Join('\n', Block("setup").Split('\n').Where(l => !l.StartsWith("using ")));
        string harness = string.Join(
            '\n',
            Block("harness").Split('\n').Where(l => !l.StartsWith("using ") || l.Contains('='))
        );
        string source = $$"""
            using System;
            using System.Collections.Generic;
            using System.IO;
            using System.Linq;
            {{string.Join('\n', lines[true].Distinct())}}
            public static class Program
            {
                {{harness.Replace("static unsafe double", "public static unsafe double")}}
                {{string.Join(
                '\n',
                Steps.Select(s => $"public static LoopNest {Method(s)}()\n{{\n{setup}\n{s.Code}\nreturn s.Nest;\n}}")
            )}}
            }
            """;
        var libraries = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(
            System.IO.Path.PathSeparator
        );
        var compilation = CSharpCompilation.Create(
            "tutorial",
            [CSharpSyntaxTree.ParseText(source)],
            [.. libraries.Select(l => MetadataReference.CreateFromFile(l))],
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true)
        );
        using var assembly = new MemoryStream();
        var result = compilation.Emit(assembly);
        if (!result.Success)
        {
            var errors = result.Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error);
            throw new InvalidOperationException(
                $"the code of {Path} does not compile:\n{string.Join('\n', errors)}\n{source}"
            );
        }
        return Assembly.Load(assembly.ToArray()).GetType("Program")!;
    }

    [GeneratedRegex(@"^### (\d+\. .*)\n((?:(?!^##).*\n)*)", RegexOptions.Multiline)]
    private static partial Regex Sections();

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
