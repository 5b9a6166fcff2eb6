using System.Collections.Immutable;
using System.Reflection;
using System.Text;

namespace Picograd.Lower.Cuda.Prelude;

/// <summary>
/// The device functions that stand for machine-specific instructions. Each has a device body (inline PTX) and a host body
/// (calls of the emulator); which one is compiled depends on <c>PICOGRAD_EMULATOR</c>. The text needs no headers.
/// </summary>
/// <remarks>
/// wgmma functions are named by shape and type: <c>wgmma_m64nNk16_bf16</c>, <c>wgmma_m64nNk16_f16</c> (both take the
/// transpositions of a and b as template arguments: 0 is K-major), <c>wgmma_m64nNk8_tf32</c> (K-major only), N a multiple of 8 up
/// to 256; with <c>_ra</c> behind, a comes from four registers a thread instead of a descriptor.
/// </remarks>
public static class PreludeText
{
    private static readonly string[] Files = ["conversions", "copies", "mma", "wgmma", "barriers", "bulk"];

    private static readonly ImmutableArray<Part> Parts = ReadParts();

    private static readonly Dictionary<string, Part> ByName = Parts.ToDictionary(p => p.Name);

    /// <summary>Every name that <see cref="Source"/> knows, in the order in which they are written out.</summary>
    public static ImmutableArray<string> Names { get; } =
    [.. Parts.Select(p => p.Name).Where(n => n != LineParameterName)];

    /// <summary>The lowest architecture that has the instruction: 80, or 90 for <c>sm_90a</c>.</summary>
    /// <exception cref="ArgumentException">There is no such function.</exception>
    public static int Architecture(string function) => Find(function).Architecture;

    /// <summary>
    /// The definitions of the given functions and of what they use, each once, in an order in which they compile.
    /// An empty text for none.
    /// </summary>
    /// <exception cref="ArgumentException">There is no such function; the message names it.</exception>
    public static string Source(IEnumerable<string> functions)
    {
        var wanted = new HashSet<string>();
        var open = new Stack<string>(functions);
        while (open.TryPop(out var name))
        {
            if (!wanted.Add(name))
                continue;
            foreach (var needed in Find(name).Needs)
                open.Push(needed);
        }
        var text = new StringBuilder();
        foreach (var part in Parts)
        {
            if (wanted.Contains(part.Name))
                text.Append(part.Text);
        }
        return text.ToString();
    }

    private static Part Find(string function) =>
        ByName.TryGetValue(function, out var part)
            ? part
            : throw new ArgumentException(
                $"function '{function}' is not in the prelude; it has conversions, cp_async, ldmatrix, mma, wgmma, mbarrier and bulk copy functions (see PreludeText.Names)",
                nameof(function)
            );

    /// <summary>One function: its name, what it uses, and its text.</summary>
    private sealed record Part(string Name, ImmutableArray<string> Needs, int Architecture, string Text);

    private static ImmutableArray<Part> ReadParts()
    {
        var parts = ImmutableArray.CreateBuilder<Part>();
        foreach (var file in Files)
        {
            using var stream =
                Assembly.GetExecutingAssembly().GetManifestResourceStream($"Prelude/{file}.cu")
                ?? throw new InvalidOperationException($"the assembly lacks the resource Prelude/{file}.cu");
            using var reader = new StreamReader(stream);
            foreach (
                var piece in reader
                    .ReadToEnd()
                    .ReplaceLineEndings("\n")
                    .Split("//= ", StringSplitOptions.RemoveEmptyEntries)
            )
            {
                var end = piece.IndexOf('\n');
                var head = piece[..end].Split(':', StringSplitOptions.TrimEntries);
                var needs =
                    head.Length == 1
                        ? []
                        : head[1].Split(' ', StringSplitOptions.RemoveEmptyEntries).ToImmutableArray();
                // The line of the call is a last parameter of host bodies: faults are reported with it.
                var body = piece[(end + 1)..];
                parts.Add(new Part(head[0], needs, LowestArchitecture(head[0]), body));
            }
            if (file == "wgmma")
                parts.AddRange(WgmmaText.All().Select(f => new Part(f.Name, [], 90, f.Text)));
        }
        parts.Insert(0, new Part(LineParameterName, [], 80, LineParameter));
        return
        [
            .. parts.Select(p =>
                p.Text.Contains(LineParameterName) && p.Name != LineParameterName
                    ? p with
                    {
                        Needs = p.Needs.Add(LineParameterName),
                    }
                    : p
            ),
        ];
    }

    private const string LineParameterName = "PICOGRAD_AT";

    private const string LineParameter =
        "// Under the emulator functions know the line that calls them, for its messages.\n"
        + "#ifdef PICOGRAD_EMULATOR\n"
        + "#define PICOGRAD_AT , int line = __builtin_LINE()\n"
        + "#define PICOGRAD_AT0 int line = __builtin_LINE()\n"
        + "#else\n#define PICOGRAD_AT\n#define PICOGRAD_AT0\n#endif\n";

    private static int LowestArchitecture(string name)
    {
        string[] hopper =
        [
            "stmatrix",
            "wgmma",
            "mbarrier",
            "fence_proxy",
            "setmaxnreg",
            "cluster",
            "grid_dependency",
            "bulk",
            "CUtensorMap",
        ];
        return hopper.Any(name.StartsWith) ? 90 : 80;
    }
}
