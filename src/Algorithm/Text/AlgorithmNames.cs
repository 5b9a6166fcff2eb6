using System.Globalization;

namespace Picograd.Algorithms.Text;

/// <summary>
/// What is called how in the text of an algorithm: as in the algorithm, told apart where two would be the same; or, for texts
/// that are compared, by position.
/// </summary>
internal sealed class AlgorithmNames : ExprPrinter.Names
{
    private readonly bool _byPosition;
    private readonly Dictionary<Var, string> _vars = [];
    private readonly Dictionary<Buffer, string> _buffers = [];
    private readonly Dictionary<Reducer, string> _reducers = [];
    private readonly List<Reducer> _defined = [];
    private readonly HashSet<string> _global = [];
    private readonly HashSet<string> _parameters;
    private readonly HashSet<string> _local = [];
    private SharedParts? _parts;
    private string[] _partNames = [];

    public AlgorithmNames(Algorithm algorithm, bool byPosition)
    {
        _byPosition = byPosition;
        for (int i = 0; i < algorithm.Parameters.Length; i++)
            _vars[algorithm.Parameters[i].Var] = Take(algorithm.Parameters[i].Name, $"p{i}", _global);
        _parameters = [.. _global];
        for (int i = 0; i < algorithm.Inputs.Length; i++)
            _buffers[algorithm.Inputs[i]] = Take(algorithm.Inputs[i].Name, $"x{i}", _global);
        for (int i = 0; i < algorithm.Stages.Length; i++)
            Take(algorithm.Stages[i], $"s{i}");
        var taken = new HashSet<string>(Reducers.Known);
        foreach (var reducer in algorithm.Stages.Select(s => s.Reducer).OfType<Reducer>().Where(r => !IsKnown(r)))
        {
            if (_reducers.ContainsKey(reducer))
                continue;
            if (_defined.Find(r => Reducers.AreSame(r, reducer)) is { } same)
            {
                _reducers[reducer] = _reducers[same];
                continue;
            }
            _reducers[reducer] = Take(Plain(reducer.Name), $"c{_defined.Count}", taken);
            _defined.Add(reducer);
        }
    }

    /// <summary>Reducers that the text has to define, in order.</summary>
    public IReadOnlyList<Reducer> Defined => _defined;

    public string Of(Reducer reducer) => _reducers.GetValueOrDefault(reducer, reducer.Name);

    /// <summary>Axes of a stage and parts of its expressions are called anew in every stage.</summary>
    public void Enter(IEnumerable<Axis> axes, SharedParts parts)
    {
        _local.Clear();
        _local.UnionWith(_parameters);
        foreach (var (axis, i) in axes.Select((a, i) => (a, i)))
            _vars[axis.Var] = Take(axis.Name, $"a{i}", _local);
        _parts = null;
        _partNames = [.. parts.Named.Select((_, i) => Take($"t{i}", $"t{i}", _local))];
        _parts = parts;
    }

    /// <summary>Nothing has a name of its own but the parts, as in the definition of a reducer.</summary>
    public void Enter(SharedParts parts) => Enter([], parts);

    public string PartName(int i) => _partNames[i];

    public override string Of(Var v) => Quoted(_vars.TryGetValue(v, out string? name) ? name : v.Name);

    public override string Of(Buffer b) => Quoted(_buffers.TryGetValue(b, out string? name) ? name : b.Name);

    public override string? Of(Expr e) => _parts?.NameOf(e) is >= 0 and var i ? _partNames[i] : null;

    /// <summary>A name as it stands in a text: itself, or between backticks.</summary>
    public static string Quoted(string name)
    {
        if (Lexer.IsPlain(name))
            return name;
        var text = new System.Text.StringBuilder("`");
        foreach (char c in name)
        {
            if (c is '`' or '\\' || !(char.IsAscii(c) ? c is >= ' ' and < '\x7f' : char.IsLetterOrDigit(c)))
                text.Append(CultureInfo.InvariantCulture, $"\\{(int)c:x4}");
            else
                text.Append(c);
        }
        return text.Append('`').ToString();
    }

    private static bool IsKnown(Reducer reducer) =>
        Reducers.Find(reducer.Name, reducer.Identity[0].Type) is { } known && Reducers.AreSame(known, reducer);

    private static string Plain(string name)
    {
        string plain = new([.. name.Where(c => char.IsAsciiLetterOrDigit(c) || c == '_')]);
        return plain.Length > 0 && char.IsAsciiLetter(plain[0]) ? plain : "combine";
    }

    private string Take(string name, string position, HashSet<string> taken)
    {
        string free = Free(_byPosition ? position : name, n => !taken.Contains(n));
        taken.Add(free);
        return free;
    }

    // The output of a stage is called as the stage; several are called NAME.0, NAME.1, ….
    private void Take(Stage stage, string position)
    {
        string[] Outputs(string name) =>
            stage.Outputs.Length == 1
                ? [name]
                : [.. stage.Outputs.Select((_, o) => string.Create(CultureInfo.InvariantCulture, $"{name}.{o}"))];
        string free = Free(_byPosition ? position : stage.Name, n => !Outputs(n).Any(_global.Contains));
        string[] names = Outputs(free);
        _global.UnionWith(names);
        for (int o = 0; o < names.Length; o++)
            _buffers[stage.Outputs[o]] = names[o];
    }

    private static string Free(string wanted, Func<string, bool> isFree)
    {
        string free = wanted;
        for (int n = 2; !isFree(free); n++)
            free = string.Create(CultureInfo.InvariantCulture, $"{wanted}_{n}");
        return free;
    }
}
