using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace Picograd;

/// <summary>A field of a module that may hold parameters or modules.</summary>
/// <param name="Info">The field.</param>
/// <param name="Source">As it is written in the module's class; of a property its name.</param>
/// <param name="Name">As PyTorch would call it: <c>_tokenTable</c> and <c>TokenTable</c> are <c>token_table</c>.</param>
internal sealed record ModuleField(FieldInfo Info, string Source, string Name);

/// <summary>The fields of a module's class, and of those it inherits from, that may hold parts of it.</summary>
internal static class ModuleFields
{
    private const BindingFlags Own =
        BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static readonly ConcurrentDictionary<Type, ModuleField[]> Known = new();

    /// <summary>Those of the base classes first, each class's in the order in which they are written.</summary>
    public static ModuleField[] Of(Type module) => Known.GetOrAdd(module, Find);

    /// <summary>Whether a value of this declared type might be, or hold, a module or a tensor.</summary>
    public static bool MayHold(Type type)
    {
        if (type.IsPrimitive || type.IsEnum || type.IsPointer || type == typeof(string) || type == typeof(decimal))
            return false;
        if (type.IsArray)
            return MayHold(type.GetElementType()!);
        if (typeof(Tensor).IsAssignableFrom(type) || typeof(Module).IsAssignableFrom(type))
            return true;
        if (type.Assembly == typeof(Module).Assembly)
            return false;
        if (!IsFramework(type) || typeof(Delegate).IsAssignableFrom(type))
            return true;
        return type.IsGenericType
            ? type.GetGenericArguments().Any(MayHold)
            : type == typeof(object) || type.IsInterface || typeof(IEnumerable).IsAssignableFrom(type);
    }

    /// <summary>.NET's own types and this library's, whose fields are nobody's parameters.</summary>
    public static bool IsFramework(Type type) =>
        type.Assembly == typeof(Module).Assembly
        || type.Assembly == typeof(DType).Assembly
        || type.Assembly.GetName().Name is { } name
            && (
                name.StartsWith("System.", StringComparison.Ordinal)
                || name.StartsWith("Microsoft.", StringComparison.Ordinal)
            );

    /// <summary>All instance fields of a class and its bases, up to a base exclusive.</summary>
    public static IEnumerable<FieldInfo> Instance(Type type, Type? end = null)
    {
        var classes = new Stack<Type>();
        for (var at = type; at is not null && at != end && at != typeof(object); at = at.BaseType)
            classes.Push(at);
        return classes.SelectMany(at => at.GetFields(Own));
    }

    /// <summary>How PyTorch's authors write a name: lower case, words joined by underscores.</summary>
    public static string PythonName(string name)
    {
        name = name.TrimStart('_');
        var text = new StringBuilder();
        for (int i = 0; i < name.Length; i++)
        {
            bool startsWord =
                i > 0
                && char.IsUpper(name[i])
                && (
                    char.IsLower(name[i - 1])
                    || (char.IsLetterOrDigit(name[i - 1]) && i + 1 < name.Length && char.IsLower(name[i + 1]))
                );
            if (startsWord)
                text.Append('_');
            text.Append(char.ToLowerInvariant(name[i]));
        }
        return text.ToString();
    }

    private static ModuleField[] Find(Type module)
    {
        // The library's own modules register all they have.
        if (module.Assembly == typeof(Module).Assembly)
            return [];
        var found = new List<ModuleField>();
        foreach (var field in Instance(module, typeof(Module)))
        {
            string source = SourceName(field.Name);
            bool left =
                field.IsDefined(typeof(UnregisteredAttribute))
                || field.DeclaringType!.GetProperty(source, Own)?.IsDefined(typeof(UnregisteredAttribute)) == true
                || field.DeclaringType.Assembly == typeof(Module).Assembly
                || !MayHold(field.FieldType);
            if (!left)
                found.Add(new ModuleField(field, source, PythonName(source)));
        }
        return [.. found];
    }

    /// <summary>Whether a value is an immutable array that was never set, which cannot be gone through.</summary>
    public static bool IsUnset(object value) =>
        value.GetType() is { IsGenericType: true } type
        && type.GetGenericTypeDefinition() == typeof(ImmutableArray<>)
        && type.GetProperty(nameof(ImmutableArray<>.IsDefault))!.GetValue(value) is true;

    private static string? Content(Type definition) =>
        definition == typeof(PriorityQueue<,>) ? nameof(PriorityQueue<int, int>.UnorderedItems)
        : definition == typeof(StrongBox<>) ? nameof(StrongBox<>.Value)
        : null;

    // Goes through the same elements every time; sets have none of the interfaces without a type.
    private static bool IsCollection(Type type) =>
        typeof(ICollection).IsAssignableFrom(type)
        || type.GetInterfaces()
            .Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IReadOnlyCollection<>));

    // The compiler keeps a property in <Name>k__BackingField and a parameter of a primary constructor in <name>P.
    private static string SourceName(string field) =>
        field.StartsWith('<') && field.IndexOf('>') is > 1 and var end ? field[1..end] : field;

    /// <summary>
    /// A module, or a parameter, that a value holds out of reach, by its path; null where there is none that is not known.
    /// </summary>
    /// <param name="value">Held by a field: a delegate, an object of the caller's classes, an unordered collection.</param>
    /// <param name="isKnown">Whether a module or tensor is a part already.</param>
    public static string? Hidden(object? value, string path, Func<object, bool> isKnown, HashSet<object> seen)
    {
        switch (value)
        {
            case null or string or Type:
                return null;
            case Tensor tensor:
                return !tensor.IsDisposed && tensor.IsLeaf && tensor.RequiresGrad && !isKnown(tensor)
                    ? $"{path}, a parameter of shape {tensor.Layout}"
                    : null;
            case Module module:
                return isKnown(module) ? null : $"{path}, a {module.GetType().Name}";
        }
        var type = value.GetType();
        if (
            (type.IsArray || type.IsGenericType) && !MayHold(type)
            || IsUnset(value)
            || !type.IsValueType && !seen.Add(value)
        )
            return null;
        if (value is ITuple tuple)
        {
            return Enumerable
                .Range(0, tuple.Length)
                .Select(i => Hidden(tuple[i], $"{path}.Item{i + 1}", isKnown, seen))
                .FirstOrDefault(h => h is not null);
        }
        if (value is Delegate function)
        {
            return function
                .GetInvocationList()
                .Select(one => Hidden(one.Target, $"{path} (what it captures)", isKnown, seen))
                .FirstOrDefault(h => h is not null);
        }
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Lazy<>))
        {
            if (!MayHold(type.GetGenericArguments()[0]))
                return null;
            return type.GetProperty(nameof(Lazy<>.IsValueCreated))!.GetValue(value) is true
                ? Hidden(type.GetProperty(nameof(Lazy<>.Value))!.GetValue(value), $"{path}.Value", isKnown, seen)
                : $"{path}, which is not made yet";
        }
        // Classes of .NET that hold what the caller put in, and are no collections themselves.
        if (type.IsGenericType && Content(type.GetGenericTypeDefinition()) is { } content)
        {
            object? inside = type.GetProperty(content)?.GetValue(value) ?? type.GetField(content)?.GetValue(value);
            return Hidden(inside, $"{path}.{content}", isKnown, seen);
        }
        if (IsCollection(type))
        {
            foreach (object? item in (IEnumerable)value)
            {
                if (Hidden(item, $"{path}[…]", isKnown, seen) is { } inside)
                    return inside;
            }
            return null;
        }
        // A sequence that is computed when it is gone through may give other modules every time.
        if (value is IEnumerable<Module>)
            return $"{path}, modules that are made when they are asked for";
        // Structs of .NET are what its collections are made of, such as pairs of a key and a value.
        if (IsFramework(type) && !type.IsValueType || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            return null;
        foreach (var field in Instance(type))
        {
            if (
                MayHold(field.FieldType)
                && Hidden(field.GetValue(value), $"{path}.{SourceName(field.Name)}", isKnown, seen) is { } inside
            )
                return inside;
        }
        return null;
    }
}
