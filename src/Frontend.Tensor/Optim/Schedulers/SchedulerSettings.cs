using System.Collections;
using System.Globalization;

namespace Picograd;

/// <summary>What a scheduler was made with, by PyTorch's names: saved with its state, and taken over from there.</summary>
internal sealed class SchedulerSettings
{
    // Of an epoch's, as of all: more is a broken file.
    private const int MostTimes = 1 << 20;

    private readonly List<(string Name, Func<object?> Get, Func<object?, string, Action> Read)> _all = [];

    public void Add(string name, Func<double> get, Action<double> set) =>
        Add(name, () => get(), (v, what) => Later(set, StateTree.Number(v, name, what)));

    public void Add(string name, Func<int> get, Action<int> set) =>
        Add(name, () => (long)get(), (v, what) => Later(set, Whole(StateTree.Number(v, name, what), name, what)));

    public void Add(string name, Func<bool> get, Action<bool> set) =>
        Add(name, () => get(), (v, what) => Later(set, StateTree.Number(v, name, what) != 0));

    public void Add(string name, Func<string> get, Action<string> set) =>
        Add(
            name,
            get,
            (v, what) =>
                v is string text
                    ? Later(set, text)
                    : throw new ArgumentException($"{what}: '{name}' is {StateTree.Kind(v)}, but must be a string.")
        );

    /// <summary>One of several words.</summary>
    public void Add(string name, string[] words, Func<string> get, Action<string> set) =>
        Add(
            name,
            get,
            (v, what) =>
                v is string text && words.Contains(text)
                    ? Later(set, text)
                    : throw new ArgumentException(
                        $"{what}: '{name}' is {(v is string other ? $"'{other}'" : StateTree.Kind(v))}, but must be {string.Join(" or ", words.Select(w => $"'{w}'"))}."
                    )
        );

    public void Add(string name, Func<double[]> get, Action<double[]> set) =>
        Add(
            name,
            () => new List<object?>(get().Select(n => (object?)n)),
            (v, what) =>
            {
                double[] numbers = StateTree.Numbers(new Dictionary<string, object?> { [name] = v }, name, what);
                int count = get().Length;
                return numbers.Length == count
                    ? Later(set, numbers)
                    : throw new ArgumentException(
                        $"{what}: '{name}' has {numbers.Length} numbers, but must have {count}."
                    );
            }
        );

    /// <summary>How often each of some epochs counts: PyTorch's Counter, or a list.</summary>
    public void Add(string name, Func<int[]> get, Action<int[]> set) =>
        Add(
            name,
            () =>
            {
                var counts = new OrderedDictionary<string, object?>();
                foreach (var group in get().GroupBy(e => e))
                    counts.Add(group.Key.ToString(CultureInfo.InvariantCulture), (long)group.Count());
                return counts;
            },
            (v, what) =>
            {
                var epochs = new List<int>();
                if (v is IDictionary counts)
                {
                    foreach (DictionaryEntry entry in counts)
                    {
                        int times = (int)StateTree.Number(entry.Value, name, what);
                        string key = Convert.ToString(entry.Key, CultureInfo.InvariantCulture) ?? "";
                        if (
                            !int.TryParse(key, CultureInfo.InvariantCulture, out int epoch)
                            || times is < 0 or > MostTimes
                            || epochs.Count + times > MostTimes
                        )
                            throw new ArgumentException($"{what}: '{name}' has {times} times epoch '{key}'.");
                        epochs.AddRange(Enumerable.Repeat(epoch, times));
                    }
                }
                else
                {
                    var tree = new Dictionary<string, object?> { [name] = v };
                    epochs.AddRange(StateTree.Numbers(tree, name, what).Select(n => (int)n));
                }
                return Later(set, epochs.ToArray());
            }
        );

    /// <summary>What is not saved, such as functions; PyTorch has null in its place.</summary>
    public void AddUnsaved(string name, int count) =>
        Add(name, () => new List<object?>(new object?[count]), (_, _) => () => { });

    /// <summary>Adds all to a state.</summary>
    public void Save(OrderedDictionary<string, object?> state)
    {
        foreach (var (name, get, _) in _all)
            state[name] = get();
    }

    /// <summary>What takes over those that a state has; nothing is changed until it is called.</summary>
    /// <exception cref="ArgumentException">One that does not fit.</exception>
    public Action Read(IReadOnlyDictionary<string, object?> state, string what)
    {
        var actions = new List<Action>();
        foreach (var (name, _, read) in _all)
        {
            if (state.TryGetValue(name, out object? value))
                actions.Add(read(value, what));
        }
        return () => actions.ForEach(a => a());
    }

    private void Add(string name, Func<object?> get, Func<object?, string, Action> read) => _all.Add((name, get, read));

    private static int Whole(double number, string name, string what) =>
        number is >= int.MinValue and <= int.MaxValue
            ? (int)number
            : throw new ArgumentException(
                string.Create(CultureInfo.InvariantCulture, $"{what}: '{name}' is {number}, but must fit 32 bits.")
            );

    private static Action Later<T>(Action<T> set, T value) => () => set(value);
}
