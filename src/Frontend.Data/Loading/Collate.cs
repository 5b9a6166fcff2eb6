using System.Collections;
using System.Runtime.CompilerServices;

namespace Picograd.Data;

/// <summary>How samples become a batch, as torch.utils.data.default_collate.</summary>
public static class Collate
{
    /// <summary>
    /// Stacks tensors and arrays of numbers; numbers become a tensor with one element each (whole ones int64, bools bool, float and double
    /// their own), strings an array; tuples, arrays, lists and dictionaries are gone through, at any depth.
    /// </summary>
    /// <exception cref="ArgumentException">Samples of another kind or of several, tensors of different shapes, or no samples.</exception>
    public static T Default<T>(IReadOnlyList<T> samples) => Default<T, T>(samples);

    /// <summary>The same where a batch is of another type than a sample: (Tensor, int) becomes (Tensor, Tensor).</summary>
    /// <inheritdoc cref="Default{T}"/>
    public static TBatch Default<T, TBatch>(IReadOnlyList<T> samples)
    {
        ArgumentNullException.ThrowIfNull(samples);
        if (samples.Count == 0)
            throw new ArgumentException("Collate: there are no samples.");
        object made = Batch([.. samples.Select(s => (object?)s)], typeof(TBatch));
        return made is TBatch batch
            ? batch
            : throw new ArgumentException(
                $"Collate: samples of {Name(typeof(T))} make a batch of {Name(made.GetType())}, not of {Name(typeof(TBatch))}; "
                    + $"write DataLoader<{Name(typeof(T))}, {Name(made.GetType())}>, or give a collate function."
            );
    }

    // Of a type that is wanted where the samples leave a choice.
    private static object Batch(object?[] samples, Type wanted)
    {
        var first = samples[0] ?? throw new ArgumentException("Collate: a sample is null.");
        if (
            Array.Find(samples, s => s?.GetType() != first.GetType()) is var other
            && (other is not null || samples.Contains(null))
        )
            throw new ArgumentException(
                $"Collate: samples are of several types, {Name(first.GetType())} and {(other is null ? "null" : Name(other.GetType()))}."
            );
        switch (first)
        {
            case Tensor:
                return Tensor.Stack([.. samples.Cast<Tensor>()]);
            case bool:
                return Tensor.From(Each<bool>(samples));
            case float:
                return Tensor.From(Each<float>(samples));
            case Half:
                return Tensor.From(Each<Half>(samples));
            case double:
                return Tensor.From(Each<double>(samples));
            case long or int or short or sbyte or byte or ushort or uint:
                return Tensor.From((long[])[.. samples.Select(s => Convert.ToInt64(s))]);
            case string:
                return Each<string>(samples);
            case Array numbers when numbers.GetType().GetElementType()!.IsPrimitive:
                return Tensor.Stack([.. samples.Select(s => OfNumbers((Array)s!))]);
            case IDictionary dictionary:
                return Dictionaries(samples, dictionary, wanted);
            case ITuple tuple when tuple.GetType() is { IsGenericType: true }:
                return Tuples(samples, tuple, wanted);
            case IList list:
                return Lists(samples, list, wanted);
            default:
                throw new ArgumentException(
                    $"Collate: samples are {Name(first.GetType())}; what is no tensor, number, string, or array, list, tuple or dictionary of these needs a collate function."
                );
        }
    }

    private static T[] Each<T>(object?[] samples) => [.. samples.Cast<T>()];

    private static Tensor OfNumbers(Array numbers)
    {
        long[] shape = [.. Enumerable.Range(0, numbers.Rank).Select(numbers.GetLongLength)];
        object?[] all = [.. numbers.Cast<object?>()];
        var flat = all.Length == 0 ? Tensor.Zeros(0) : (Tensor)Batch(all, typeof(Tensor));
        return flat.Reshape(shape);
    }

    private static IDictionary Dictionaries(object?[] samples, IDictionary first, Type wanted)
    {
        var arguments = wanted.IsGenericType ? wanted.GetGenericArguments() : [];
        bool isTyped = arguments.Length == 2 && !wanted.IsAbstract && typeof(IDictionary).IsAssignableFrom(wanted);
        var value = isTyped || (arguments.Length == 2 && wanted.IsInterface) ? arguments[1] : typeof(object);
        var key =
            arguments.Length == 2 && wanted.IsInterface ? arguments[0]
            : first.GetType().GetGenericArguments() is [var own, _] ? own
            : typeof(object);
        var made = (IDictionary)
            Activator.CreateInstance(isTyped ? wanted : typeof(Dictionary<,>).MakeGenericType(key, value))!;
        foreach (object name in first.Keys)
        {
            if (Array.Exists(samples, s => !((IDictionary)s!).Contains(name)))
                throw new ArgumentException($"Collate: a sample has no '{name}', which the first one has.");
            made.Add(name, Fitting(Batch([.. samples.Select(s => ((IDictionary)s!)[name])], value), value));
        }
        return made;
    }

    private static object Tuples(object?[] samples, ITuple first, Type wanted)
    {
        var types = PartsOf(wanted, first.Length);
        object[] parts =
        [
            .. Enumerable
                .Range(0, first.Length)
                .Select(i => Batch([.. samples.Select(s => ((ITuple)s!)[i])], types?[i] ?? typeof(object))),
        ];
        // What does not fit the wanted type makes one that says what it is.
        bool fits = types is not null && types.Zip(parts).All(p => p.First.IsInstanceOfType(p.Second));
        return TupleOf(parts, fits ? types! : [.. parts.Select(p => p.GetType())]);
    }

    private static Type[]? PartsOf(Type tuple, int count)
    {
        if (!tuple.IsGenericType || !typeof(ITuple).IsAssignableFrom(tuple) || !tuple.IsValueType)
            return null;
        var own = tuple.GetGenericArguments();
        if (own.Length == 8)
            own = PartsOf(own[7], count - 7) is { } rest ? [.. own[..7], .. rest] : own;
        return own.Length == count ? own : null;
    }

    private static object TupleOf(object[] parts, Type[] types)
    {
        if (parts.Length > 7)
        {
            object rest = TupleOf(parts[7..], types[7..]);
            (parts, types) = ([.. parts[..7], rest], [.. types[..7], rest.GetType()]);
        }
        var definition = parts.Length switch
        {
            1 => typeof(ValueTuple<>),
            2 => typeof(ValueTuple<,>),
            3 => typeof(ValueTuple<,,>),
            4 => typeof(ValueTuple<,,,>),
            5 => typeof(ValueTuple<,,,,>),
            6 => typeof(ValueTuple<,,,,,>),
            7 => typeof(ValueTuple<,,,,,,>),
            _ => typeof(ValueTuple<,,,,,,,>),
        };
        return Activator.CreateInstance(definition.MakeGenericType(types), parts)!;
    }

    private static object Lists(object?[] samples, IList first, Type wanted)
    {
        if (Array.Exists(samples, s => ((IList)s!).Count != first.Count))
            throw new ArgumentException(
                $"Collate: samples have different numbers of parts, {first.Count} and {samples.Select(s => ((IList)s!).Count).First(c => c != first.Count)}."
            );
        var element =
            wanted.IsArray ? wanted.GetElementType()!
            : wanted.IsGenericType && wanted.GetGenericArguments() is [var one] ? one
            : typeof(object);
        object[] parts =
        [
            .. Enumerable
                .Range(0, first.Count)
                .Select(i => Fitting(Batch([.. samples.Select(s => ((IList)s!)[i])], element), element)),
        ];
        var made =
            wanted.IsArray || first is Array
                ? Array.CreateInstance(element, parts.Length)
                : (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(element))!;
        for (int i = 0; i < parts.Length; i++)
        {
            if (made is Array array)
                array.SetValue(parts[i], i);
            else
                made.Add(parts[i]);
        }
        return made;
    }

    private static object Fitting(object part, Type wanted) =>
        wanted.IsInstanceOfType(part)
            ? part
            : throw new ArgumentException(
                $"Collate: parts of samples make a batch of {Name(part.GetType())}, not of {Name(wanted)}; name another type of batch, or give a collate function."
            );

    private static string Name(Type type)
    {
        if (type.IsArray)
            return Name(type.GetElementType()!) + "[]";
        if (!type.IsGenericType)
            return type.Name;
        string arguments = string.Join(", ", type.GetGenericArguments().Select(Name));
        return typeof(ITuple).IsAssignableFrom(type) && type.IsValueType
            ? $"({arguments})"
            : $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{arguments}>";
    }
}
