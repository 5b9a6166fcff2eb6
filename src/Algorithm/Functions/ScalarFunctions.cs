using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Reflection;

namespace Picograd.Algorithms.Functions;

/// <summary>
/// The table of scalar functions. An entry is one public field in the file of its family; what else is to know of
/// it follows: see <see cref="ScalarFunction"/>.
/// </summary>
public static partial class ScalarFunctions
{
    private static readonly Lazy<ImmutableArray<ScalarFunction>> s_all = new(() =>
        [
            .. typeof(ScalarFunctions)
                .GetFields(BindingFlags.Public | BindingFlags.Static)
                .Where(f => f.FieldType == typeof(ScalarFunction))
                .Select(f => (ScalarFunction)f.GetValue(null)!)
                .OrderBy(f => f.Name, StringComparer.Ordinal),
        ]
    );

    private static readonly Lazy<Dictionary<string, ScalarFunction>> s_byName = new(() =>
        All.ToDictionary(f => f.Name)
    );

    private static readonly ConcurrentDictionary<string, ScalarFunction> s_own = new();

    private static readonly Lazy<ScalarFunction?[]> s_byUnary = new(() =>
        [.. Enum.GetValues<UnaryOp>().Select(k => All.FirstOrDefault(f => f.UnaryNode == k))]
    );

    private static readonly Lazy<ScalarFunction?[]> s_byBinary = new(() =>
        [.. Enum.GetValues<BinaryOp>().Select(k => All.FirstOrDefault(f => f.BinaryNode == k))]
    );

    /// <summary>Every function, by name.</summary>
    public static ImmutableArray<ScalarFunction> All => s_all.Value;

    /// <summary>The function of a name, or null.</summary>
    public static ScalarFunction? Find(string name) => s_byName.Value.GetValueOrDefault(name);

    /// <summary>
    /// Adds a function of the program, so that texts that name it can be read here; false where its name is taken. Texts name what is
    /// neither composed nor has an expansion for the dtype.
    /// </summary>
    public static bool TryAdd(ScalarFunction function)
    {
        ArgumentNullException.ThrowIfNull(function);
        return Find(function.Name) is null && s_own.GetOrAdd(function.Name, function) == function;
    }

    /// <summary>The function of a name in the table, or of the program, or null.</summary>
    internal static ScalarFunction? FindOrOwn(string name) => Find(name) ?? s_own.GetValueOrDefault(name);

    /// <summary>The function of a node of the expression language, or null (integer divisions, not).</summary>
    public static ScalarFunction? Of(UnaryOp kind) => s_byUnary.Value[(int)kind];

    /// <inheritdoc cref="Of(UnaryOp)"/>
    public static ScalarFunction? Of(BinaryOp kind) => s_byBinary.Value[(int)kind];

    private static Expr Zero(Expr like) => Op.Const(0, like.Type);
}
