using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Picograd;

/// <summary>
/// Copies of modules with tensors of their own (copy.deepcopy): what fields of modules hold is copied, through arrays and collections of
/// .NET, and what was one object before is one again (tied weights). Everything else, such as functions and options, is shared.
/// </summary>
internal static class ModuleCopy
{
    private static readonly ConcurrentDictionary<Type, FieldInfo[]> s_fields = new();

    private static readonly MethodInfo s_shallow = typeof(object).GetMethod(
        "MemberwiseClone",
        BindingFlags.Instance | BindingFlags.NonPublic
    )!;

    public static T Of<T>(T module)
        where T : Module => (T)Copied(module, new(ReferenceEqualityComparer.Instance))!;

    private static object? Copied(object? value, Dictionary<object, object> known)
    {
        if (value is null || !IsCopied(value.GetType()))
            return value;
        if (known.TryGetValue(value, out object? made))
            return made;
        if (value is Tensor tensor)
        {
            using (Tensor.NoGrad())
                made = tensor.Detach().Clone().Keep();
            if (tensor.RequiresGrad && tensor.IsLeaf)
                ((Tensor)made).RequiresGrad_();
            return known[value] = made;
        }
        made = s_shallow.Invoke(value, null)!;
        if (!value.GetType().IsValueType)
            known[value] = made;
        if (made is Array array)
        {
            // Of numbers the shallow copy is one already.
            if (!IsPlain(array.GetType().GetElementType()!))
                CopyElements(array, known);
            return made;
        }
        foreach (var field in s_fields.GetOrAdd(value.GetType(), FieldsOf))
        {
            object? before = field.GetValue(made);
            object? after = Copied(before, known);
            if (!ReferenceEquals(before, after))
                field.SetValue(made, after);
        }
        return made;
    }

    private static void CopyElements(Array array, Dictionary<object, object> known)
    {
        var places = new int[array.Rank];
        for (long i = 0; i < array.LongLength; i++)
        {
            long rest = i;
            for (int d = array.Rank - 1; d >= 0; d--)
            {
                places[d] = array.GetLowerBound(d) + (int)(rest % array.GetLength(d));
                rest /= array.GetLength(d);
            }
            array.SetValue(Copied(array.GetValue(places), known), places);
        }
    }

    private static bool IsCopied(Type type) =>
        typeof(Module).IsAssignableFrom(type)
        || type == typeof(Tensor)
        || (type.IsArray && !IsPlain(type.GetElementType()!))
        || type.IsArray
        || (type.IsValueType && !IsPlain(type))
        || (type.Namespace?.StartsWith("System.Collections", StringComparison.Ordinal) ?? false)
        || typeof(ITuple).IsAssignableFrom(type);

    private static bool IsPlain(Type type) =>
        type.IsPrimitive || type.IsEnum || type == typeof(string) || type == typeof(decimal);

    private static FieldInfo[] FieldsOf(Type type)
    {
        var fields = new List<FieldInfo>();
        for (var at = type; at is not null && at != typeof(object) && at != typeof(ValueType); at = at.BaseType)
            fields.AddRange(
                at.GetFields(
                    BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly
                )
            );
        return [.. fields.Where(f => !IsPlain(f.FieldType) && !f.FieldType.IsPointer)];
    }
}
