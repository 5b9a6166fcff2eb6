using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Picograd.Algorithms.Compose;

/// <summary>
/// Which calls of a program are joined: what patterns say that it pays for, as measured (times over those of the calls; AMD EPYC Zen 5, one
/// thread). Elements of elements of the same points (four calls on 512 x 768: 0.40), elements before what goes over rows (scaled masked
/// softmax 0.65, squares that are added up 0.30), elements without functions behind what goes over rows or a product (a gradient added
/// to another 0.81 to 0.99), and a loss with its gradient (0.63). Not joined: elements before a product (1.0), functions behind one (1.0),
/// which would be computed beside it anyway, and what only runs side by side, as the steps of several parameters (1.0 to 1.2).
/// </summary>
public static class Grouping
{
    // What is this long is not computed in the loops of others: random numbers.
    private const int MostNodes = 300;

    // Results of a product beyond which what is read beside them comes from memory in pieces that are too short (a step of sgd in the
    // product that makes the gradient: 200 x 60 0.86, 768 x 768 1.13).
    private const long MostResults = 1 << 18;

    /// <summary>Groups of calls, each call in one, in an order in which each comes after those whose results it reads.</summary>
    /// <param name="program">All calls, in order.</param>
    /// <param name="mostArguments">Inputs and outputs together that the algorithm of a group may have.</param>
    /// <param name="mayJoin">Which calls may be in a group; null: all.</param>
    /// <returns>The calls of each group, in order, and what they are together; null where there is one call.</returns>
    public static IReadOnlyList<(ImmutableArray<int> Calls, JoinedGroup? Joined)> Of(
        CallGroup program,
        int mostArguments,
        Func<int, bool>? mayJoin = null
    )
    {
        ArgumentNullException.ThrowIfNull(program);
        return new Forming(program, mostArguments).Run(mayJoin ?? (_ => true));
    }

    private enum Role
    {
        Other,
        Elements,
        Rows,
        Product,
    }

    private sealed class Group(int first, Role role, long points)
    {
        public List<int> Calls { get; } = [first];

        public Role Role { get; set; } = role;

        public long Points { get; } = points;

        public JoinedGroup? Joined { get; set; }
    }

    private sealed class Forming
    {
        private readonly CallGroup _program;
        private readonly int _most;
        private readonly Group[] _groups;
        private readonly List<int>[] _before;
        private readonly HashSet<int>[] _reads;
        private readonly HashSet<int>[] _writes;

        // Calls that read and write each value.
        private readonly ILookup<int, int> _readers;
        private readonly ILookup<int, int> _writers;

        public Forming(CallGroup program, int most)
        {
            (_program, _most) = (program, most);
            int count = program.Calls.Length;
            _groups = new Group[count];
            (_before, _reads, _writes) = (new List<int>[count], new HashSet<int>[count], new HashSet<int>[count]);
            var (writer, readers) = (new Dictionary<int, int>(), new Dictionary<int, List<int>>());
            for (int i = 0; i < count; i++)
            {
                var call = program.Calls[i];
                int inputs = call.Problem.Algorithm.Inputs.Length;
                _reads[i] = [.. call.Operands.Take(inputs).Select(o => o.Value)];
                _writes[i] = [.. call.Operands.Skip(inputs).Select(o => o.Value)];
                var before = new SortedSet<int>();
                foreach (int value in _reads[i].Concat(_writes[i]))
                {
                    if (writer.TryGetValue(value, out int by))
                        before.Add(by);
                }
                foreach (int value in _writes[i])
                    before.UnionWith(readers.GetValueOrDefault(value, []));
                _before[i] = [.. before];
                foreach (int value in _reads[i])
                {
                    if (!readers.TryGetValue(value, out var list))
                        readers[value] = list = [];
                    list.Add(i);
                }
                foreach (int value in _writes[i])
                {
                    writer[value] = i;
                    readers.Remove(value);
                }
            }
            _readers = By(_reads);
            _writers = By(_writes);

            static ILookup<int, int> By(HashSet<int>[] values) =>
                values.SelectMany((own, i) => own.Select(v => (v, i))).ToLookup(p => p.v, p => p.i);
        }

        public IReadOnlyList<(ImmutableArray<int> Calls, JoinedGroup? Joined)> Run(Func<int, bool> mayJoin)
        {
            for (int i = 0; i < _groups.Length; i++)
            {
                var (role, points) = mayJoin(i) ? RoleOf(_program.Calls[i].Problem.Algorithm) : (Role.Other, 0);
                _groups[i] = new(i, role, points);
                if (role == Role.Other)
                    continue;
                // Rather with what came last.
                var near = _before[i].Select(b => _groups[b]).Distinct().Reverse();
                // A loss and its gradient read the same.
                if (role == Role.Rows)
                    near = near.Concat(_reads[i].SelectMany(v => _readers[v]).Where(r => r < i).Select(r => _groups[r]))
                        .Distinct();
                foreach (var into in near.ToList())
                {
                    if (TryJoin(into, i, role, points))
                        break;
                }
            }
            return Ordered();
        }

        private bool TryJoin(Group into, int call, Role role, long points)
        {
            bool passes = into.Calls.Exists(c => _writes[c].Overlaps(_reads[call]));
            bool fits = (into.Role, role) switch
            {
                (Role.Elements, Role.Elements) or (Role.Elements, Role.Rows) => passes,
                (Role.Rows, Role.Elements) => passes && !HasFunctions(call),
                (Role.Product, Role.Elements) => passes && points <= MostResults && !HasFunctions(call),
                (Role.Rows, Role.Rows) => true,
                _ => false,
            };
            if (!fits || points != into.Points || IsBetween(into, call))
                return false;
            var together = new Group(-1, role == Role.Elements ? into.Role : role, points);
            together.Calls.Clear();
            together.Calls.AddRange([.. into.Calls, call]);
            if (Joined(together) is not { } joined || !IsGood(together, joined))
                return false;
            // Sums over rows and others over the same rows, where there are fewer of both together.
            if (
                into.Role == Role.Rows
                && role == Role.Rows
                && Sums(joined) >= Sums(into) + Sums(_program.Calls[call].Problem)
            )
                return false;
            into.Calls.Add(call);
            (into.Role, into.Joined) = (together.Role, joined);
            _groups[call] = into;
            return true;
        }

        private int Sums(Group group) =>
            group.Joined is { } joined ? Sums(joined) : group.Calls.Sum(c => Sums(_program.Calls[c].Problem));

        private static int Sums(JoinedGroup joined) => Sums(joined.Problem);

        private static int Sums(Problem problem) => problem.Algorithm.Stages.Count(s => s.Kind == StageKind.Reduce);

        private bool HasFunctions(int call) =>
            _program.Calls[call].Problem.Algorithm.Stages.Any(s => s.Values.Any(v => v.Any(n => n.IsFunction())));

        // Whether a call outside of the group has to run after one of it and before this one.
        private bool IsBetween(Group group, int call)
        {
            int first = group.Calls[0];
            var (seen, open) = (new HashSet<Group> { group }, new Stack<int>());
            foreach (int before in _before[call].Where(b => _groups[b] != group))
                open.Push(before);
            while (open.TryPop(out int next))
            {
                if (_groups[next] == group)
                    return true;
                if (_groups[next].Calls[^1] < first || !seen.Add(_groups[next]))
                    continue;
                foreach (int member in _groups[next].Calls)
                {
                    foreach (int before in _before[member])
                        open.Push(before);
                }
            }
            return false;
        }

        private JoinedGroup? Joined(Group group)
        {
            var own = group.Calls.ToHashSet();
            var written = group.Calls.SelectMany(c => _writes[c]).ToHashSet();
            var asked = _program.Results.Where(written.Contains).ToHashSet();
            asked.UnionWith(written.Where(v => _readers[v].Any(i => i > group.Calls[0] && !own.Contains(i))));
            // A value that is written elsewhere too, or in part, is another matter.
            if (asked.Count == 0 || written.Any(v => _writers[v].Any(i => !own.Contains(i))))
                return null;
            // By its own numbers, so that layers that are alike are joined once.
            var numbers = new List<int>();
            int Own(int value)
            {
                int at = numbers.IndexOf(value);
                if (at >= 0)
                    return at;
                numbers.Add(value);
                return numbers.Count - 1;
            }
            ImmutableArray<GroupCall> calls =
            [
                .. group
                    .Calls.Select(c => _program.Calls[c])
                    .Select(c => c with { Operands = [.. c.Operands.Select(o => o with { Value = Own(o.Value) })] }),
            ];
            var part = new CallGroup(
                "group",
                // What another call wrote is there.
                [
                    .. numbers.Select(v =>
                        _program.Values[v] with
                        {
                            IsNew = _program.Values[v].IsNew && _writers[v].All(own.Contains),
                        }
                    ),
                ],
                calls,
                [.. asked.Select(Own).Order()]
            );
            if (Known.Get(part) is not { } joined)
                return null;
            return joined with
            {
                Inputs = [.. joined.Inputs.Select(v => numbers[v])],
                Outputs = [.. joined.Outputs.Select(v => numbers[v])],
            };
        }

        private bool IsGood(Group group, JoinedGroup joined)
        {
            var algorithm = joined.Problem.Algorithm;
            if (algorithm.Arguments.Length > _most)
                return false;
            // A kernel may read an element of what it replaces after it has written it.
            if (joined.Outputs.Any(joined.Inputs.Contains))
                return false;
            // What is computed again must be less than what is not written and read.
            if (algorithm.Stages.Sum(s => s.Values.Sum(v => v.Nodes().Count)) > MostNodes * 2)
                return false;
            return group.Role switch
            {
                Role.Elements => algorithm.Stages.All(s => s.Kind == StageKind.Map && Points(s) == group.Points),
                Role.Product => algorithm.Stages.All(s =>
                    s.Kind is StageKind.Map or StageKind.Reduce && SpatialPoints(s) == group.Points
                ),
                _ => algorithm.Stages.All(s => s.Kind is StageKind.Map or StageKind.Reduce),
            };
        }

        // By what must come before; of those that may come next the one whose first call came first.
        private List<(ImmutableArray<int>, JoinedGroup?)> Ordered()
        {
            var waits = new Dictionary<Group, HashSet<Group>>();
            foreach (var group in _groups.Distinct())
            {
                waits[group] =
                [
                    .. group.Calls.SelectMany(c => _before[c]).Select(b => _groups[b]).Where(g => g != group),
                ];
            }
            var followers = new Dictionary<Group, List<Group>>();
            foreach (var (group, before) in waits)
            {
                foreach (var b in before)
                {
                    if (!followers.TryGetValue(b, out var list))
                        followers[b] = list = [];
                    list.Add(group);
                }
            }
            var ready = new PriorityQueue<Group, int>();
            foreach (var (group, before) in waits)
            {
                if (before.Count == 0)
                    ready.Enqueue(group, group.Calls[0]);
            }
            var order = new List<(ImmutableArray<int>, JoinedGroup?)>();
            while (ready.TryDequeue(out var next, out _))
            {
                order.Add(([.. next.Calls], next.Joined));
                foreach (var follower in followers.GetValueOrDefault(next, []))
                {
                    if (waits[follower].Remove(next) && waits[follower].Count == 0)
                        ready.Enqueue(follower, follower.Calls[0]);
                }
            }
            return order;
        }
    }

    // What groups became, by what they are.
    private static class Known
    {
        private const int Most = 4096;
        private static readonly ConcurrentDictionary<string, JoinedGroup?> Joined = new();

        public static JoinedGroup? Get(CallGroup group)
        {
            string key = Key(group);
            if (Joined.TryGetValue(key, out var known))
                return known;
            JoinedGroup? made;
            try
            {
                made = Joiner.Join(group);
            }
            catch (JoinException)
            {
                made = null;
            }
            if (Joined.Count >= Most)
                Joined.Clear();
            Joined[key] = made;
            return made;
        }

        private static string Key(CallGroup group)
        {
            var key = new StringBuilder();
            foreach (var value in group.Values)
                key.Append(
                    CultureInfo.InvariantCulture,
                    $"{value.Type}[{string.Join(',', value.Dims)}]{(value.IsNew ? "new" : "")};"
                );
            foreach (var call in group.Calls)
            {
                key.Append(call.Problem.Operator?.ToString() ?? call.Problem.Hash);
                foreach (var o in call.Operands)
                    key.Append(
                        CultureInfo.InvariantCulture,
                        $" {o.Value}+{o.Offset}{(o.Strides.IsDefault ? "" : $"/{string.Join(',', o.Strides)}")}"
                    );
                key.Append(';');
            }
            return key.Append(string.Join(',', group.Results)).ToString();
        }
    }

    private static (Role Role, long Points) RoleOf(Algorithm algorithm)
    {
        if (
            !algorithm.Parameters.IsEmpty
            || algorithm.Arguments.Any(b => b.ConstantSize() is null or 0)
            || algorithm.Stages.Any(s =>
                s.Kind is not (StageKind.Map or StageKind.Reduce)
                || s.Outputs.Length != 1
                || s.Values[0].Nodes().Count > MostNodes
            )
        )
            return (Role.Other, 0);
        long most = algorithm.Stages.Max(Points);
        if (algorithm.Stages.All(s => s.Kind == StageKind.Map))
            return algorithm.Stages.All(s => Points(s) == most) ? (Role.Elements, most) : (Role.Other, 0);
        var product = algorithm.Stages.FirstOrDefault(IsProduct);
        if (product is null)
            return (Role.Rows, most);
        bool simple = algorithm.Stages.All(s =>
            s == product || s.Kind == StageKind.Map && Points(s) == SpatialPoints(product)
        );
        return simple ? (Role.Product, SpatialPoints(product)) : (Role.Other, 0);
    }

    // A sum of which one factor is the same for some results, and another one for others.
    private static bool IsProduct(Stage stage)
    {
        if (stage.Kind != StageKind.Reduce)
            return false;
        var loads = stage.Values[0].Loads();
        return stage.SpatialAxes.Any(a =>
            a.Extent is not IntImm { Value: 1 }
            && loads.Any(l => l.Uses(a.Var))
            && loads.Any(l => !l.Uses(a.Var) && stage.ReduceAxes.Any(r => l.Uses(r.Var)))
        );
    }

    private static long Points(Stage stage) => stage.Axes.Aggregate(1L, (n, a) => n * ((IntImm)a.Extent).Value);

    private static long SpatialPoints(Stage stage) =>
        stage.SpatialAxes.Aggregate(1L, (n, a) => n * ((IntImm)a.Extent).Value);
}
