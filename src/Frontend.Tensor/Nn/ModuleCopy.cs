using System.Collections;
using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;
using Picograd.Gradients;

namespace Picograd;

/// <summary>
/// Copies of modules with tensors of their own (copy.deepcopy): what fields of modules hold is copied, through arrays and collections of
/// .NET and the classes that a module's class has inside, and what was one object before is one again (tied weights). Everything else,
/// such as functions and options, is shared.
/// </summary>
internal static class ModuleCopy
{
    private static readonly ConcurrentDictionary<Type, FieldInfo[]> s_fields = new();

    private static readonly MethodInfo s_shallow = typeof(object).GetMethod(
        "MemberwiseClone",
        BindingFlags.Instance | BindingFlags.NonPublic
    )!;

    public static T Of<T>(T module)
        where T : Module => (T)Copied(module, new(ReferenceEqualityComparer.Instance), Own)!;

    /// <summary>A module with other tensors in the place of some, and all else its own: what is changed in place is changed in both.</summary>
    public static T With<T>(T module, Func<Tensor, Tensor> tensors)
        where T : Module => (T)Copied(module, new(ReferenceEqualityComparer.Instance), tensors)!;

    private static Tensor Own(Tensor tensor)
    {
        Tensor made;
        using (Tensor.NoGrad())
            made = tensor.Detach().Clone().Keep();
        return tensor.RequiresGrad && tensor.IsLeaf ? made.RequiresGrad_() : made;
    }

    private static object? Copied(object? value, Dictionary<object, object> known, Func<Tensor, Tensor> tensors)
    {
        if (value is null || !IsCopied(value.GetType()))
            return value;
        if (known.TryGetValue(value, out object? made))
            return made;
        if (value is Tensor tensor)
            return known[value] = tensor.IsDisposed ? tensor : tensors(tensor);
        if (IsHashed(value.GetType()))
            return Hashed(value, known, tensors);
        made = s_shallow.Invoke(value, null)!;
        if (!value.GetType().IsValueType)
            known[value] = made;
        if (made is Array array)
        {
            // Of numbers the shallow copy is one already.
            if (!IsPlain(array.GetType().GetElementType()!))
                CopyElements(array, known, tensors);
            return made;
        }
        foreach (var field in s_fields.GetOrAdd(value.GetType(), FieldsOf))
        {
            object? before = field.GetValue(made);
            object? after = Copied(before, known, tensors);
            if (!ReferenceEquals(before, after))
                field.SetValue(made, after);
        }
        return made;
    }

    // Places in tables follow from hash codes, which copies of objects do not share.
    private static bool IsHashed(Type type) =>
        type.IsGenericType
        && !type.IsValueType
        && (
            type.GetGenericTypeDefinition() == typeof(HashSet<>)
            || typeof(IDictionary).IsAssignableFrom(type)
                && type.GetConstructor(Type.EmptyTypes) is not null
                && type.Namespace!.StartsWith("System.Collections", StringComparison.Ordinal)
        )
        && IsCopied(type.GetGenericArguments()[0]);

    private static object Hashed(object value, Dictionary<object, object> known, Func<Tensor, Tensor> tensors)
    {
        var type = value.GetType();
        object? comparer = type.GetProperty("Comparer")?.GetValue(value);
        object made =
            comparer is null
            || type.GetConstructors()
                .All(c => c.GetParameters() is not [var p] || !p.ParameterType.IsInstanceOfType(comparer))
                ? Activator.CreateInstance(type)!
                : Activator.CreateInstance(type, comparer)!;
        known[value] = made;
        if (value is IDictionary dictionary)
        {
            foreach (DictionaryEntry entry in dictionary)
                ((IDictionary)made).Add(Copied(entry.Key, known, tensors)!, Copied(entry.Value, known, tensors));
            return made;
        }
        var add = type.GetMethod(nameof(HashSet<int>.Add))!;
        foreach (object? item in (IEnumerable)value)
            add.Invoke(made, [Copied(item, known, tensors)]);
        return made;
    }

    private static void CopyElements(Array array, Dictionary<object, object> known, Func<Tensor, Tensor> tensors)
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
            array.SetValue(Copied(array.GetValue(places), known, tensors), places);
        }
    }

    private static bool IsCopied(Type type) =>
        typeof(Module).IsAssignableFrom(type)
        || type == typeof(Tensor)
        || (type.IsArray && !IsPlain(type.GetElementType()!))
        || type.IsArray
        || (type.IsValueType && !IsPlain(type))
        || (
            type.IsNested
            && typeof(Module).IsAssignableFrom(type.DeclaringType)
            && !typeof(Delegate).IsAssignableFrom(type)
        )
        || (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(HookList<>))
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
