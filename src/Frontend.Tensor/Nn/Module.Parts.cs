using System.Collections;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace Picograd;

public abstract partial class Module
{
    // Found in fields and so a parameter from then on, even while it is frozen.
    private readonly HashSet<Tensor> _found = [];
    private bool _looked;

    /// <summary>A tensor of a module with its path.</summary>
    private sealed record Entry(string Name, Tensor Tensor, bool IsParameter, bool IsSaved = true);

    /// <summary>What a module has, registered or found: its own tensors and the modules in it.</summary>
    private sealed class PartList(Module module)
    {
        public List<(string Name, Tensor Tensor)> Parameters { get; } = [.. module._parameters];
        public List<(string Name, Module Module)> Children { get; } = [.. module._children];

        /// <summary>Values of fields that are looked through only for parts that nobody has.</summary>
        public List<(string Source, object Value)> Others { get; } = [];

        /// <summary>Float tensors of which nothing says whether they are to be trained.</summary>
        public List<(string Source, Tensor Tensor)> Undecided { get; } = [];

        /// <summary>Collections that are being gone through: one may hold itself.</summary>
        public HashSet<object> Around { get; } = new(ReferenceEqualityComparer.Instance);
    }

    /// <summary>Parameters and buffers of this module and all parts, in order; what is there twice comes twice.</summary>
    /// <exception cref="InvalidOperationException">A field may hold a part that cannot be had.</exception>
    private List<Entry> Walk()
    {
        var entries = new List<Entry>();
        var modules = new Dictionary<Module, PartList>();
        Walk("", entries, modules, []);
        // Whatever a field holds beyond the parts of the whole was forgotten. Tensors are looked for once: later on fields also
        // hold those that Forward left there.
        HashSet<Tensor>? tensors = null;
        foreach (var (module, parts) in modules)
        {
            bool isFirst = !module._looked;
            if (isFirst)
                tensors ??= entries.Select(e => e.Tensor).ToHashSet();
            else if (parts.Others.Count == 0)
                continue;
            bool IsKnown(object part) =>
                part is Module m ? modules.ContainsKey(m) : !isFirst || tensors!.Contains((Tensor)part);
            foreach (var (source, tensor) in isFirst ? parts.Undecided : [])
            {
                if (!IsKnown(tensor))
                    throw module.Forgotten(
                        source,
                        $"holds a {tensor.DType.Name()} tensor of shape {tensor.Layout} that is neither a parameter nor a buffer",
                        "if it is to be trained, call Register, or RequiresGrad_() on it; if not, RegisterBuffer, or mark the "
                            + "field [Unregistered]"
                    );
            }
            var seen = new HashSet<object>(ReferenceEqualityComparer.Instance) { module };
            foreach (var (source, value) in parts.Others)
            {
                if (ModuleFields.Hidden(value, source, IsKnown, seen) is { } hidden)
                    throw module.Forgotten(
                        source,
                        $"holds {hidden}, where it is not found",
                        "keep it in a field of its own, an array, a list, a dictionary with names or numbers as keys, or call "
                            + "Register; or mark the field [Unregistered] if it is no part of the model"
                    );
            }
        }
        foreach (var module in modules.Keys)
            module._looked = true;
        return entries;
    }

    private InvalidOperationException Forgotten(string source, string what, string remedy) =>
        new($"{GetType().Name}: the field {source} {what}, so it would never be trained: {remedy}.");

    private void Walk(string path, List<Entry> entries, Dictionary<Module, PartList> modules, HashSet<Module> around)
    {
        if (!around.Add(this))
            throw new InvalidOperationException(
                $"{GetType().Name}: the module at '{path.TrimEnd('.')}' is also one that contains it; mark the field that refers "
                    + "back [Unregistered]."
            );
        var parts = Parts();
        modules.TryAdd(this, parts);
        entries.AddRange(parts.Parameters.Select(p => new Entry(path + p.Name, p.Tensor, IsParameter: true)));
        entries.AddRange(
            _buffers.Select(b => new Entry(path + b.Name, b.Tensor, IsParameter: false, !_transient.Contains(b.Name)))
        );
        foreach (var (name, child) in parts.Children)
            child.Walk($"{path}{name}.", entries, modules, around);
        around.Remove(this);
    }

    /// <summary>What is registered, then what the fields hold.</summary>
    private PartList Parts()
    {
        var parts = new PartList(this);
        foreach (var field in ModuleFields.Of(GetType()))
            Take(parts, parts.Parameters, parts.Children, field.Info.GetValue(this), field.Name, field.Source);
        return parts;
    }

    /// <summary>What a field, or a collection in a field, holds becomes a part of this module or of a group.</summary>
    private void Take(
        PartList parts,
        List<(string, Tensor)> parameters,
        List<(string, Module)> children,
        object? value,
        string name,
        string source
    )
    {
        switch (value)
        {
            case null or string:
                return;
            case Tensor tensor:
                // Disposed or computed: something that Forward left there.
                if (tensor.IsDisposed || !tensor.IsLeaf || IsRegistered(tensor))
                    return;
                if (tensor.RequiresGrad || _found.Contains(tensor))
                {
                    if (ReferenceEquals(parameters, parts.Parameters) && _buffers.Exists(b => b.Name == name))
                        throw Taken(source, "tensor", name);
                    _found.Add(tensor.Keep());
                    Add(parameters, name, tensor, source);
                }
                else if (tensor.DType.IsFloat())
                    parts.Undecided.Add((source, tensor));
                return;
            case Module module:
                if (!_children.Exists(c => ReferenceEquals(c.Module, module)))
                    Add(children, name, module, source);
                return;
            case IDictionary when !ModuleFields.MayHold(value.GetType()):
            case IList when !ModuleFields.MayHold(value.GetType()):
                return;
            case IList when ModuleFields.IsUnset(value):
            case IDictionary or IList when !parts.Around.Add(value):
                return;
            case IDictionary dictionary:
                var named = new ModuleGroup(isList: false);
                foreach (DictionaryEntry entry in dictionary)
                {
                    string key = Convert.ToString(entry.Key, CultureInfo.InvariantCulture)!;
                    int before = named._parameters.Count + named._children.Count;
                    Take(parts, named._parameters, named._children, entry.Value, key, $"{source}[{key}]");
                    // Of what is no part the key is no name.
                    if (named._parameters.Count + named._children.Count > before)
                        CheckName(key, taken: false);
                }
                parts.Around.Remove(dictionary);
                AddGroup(children, name, named, source);
                return;
            case IList list:
                var numbered = new ModuleGroup(isList: true);
                int place = 0;
                foreach (object? item in list)
                {
                    string at = place++.ToString(CultureInfo.InvariantCulture);
                    Take(parts, numbered._parameters, numbered._children, item, at, $"{source}[{at}]");
                }
                parts.Around.Remove(list);
                AddGroup(children, name, numbered, source);
                return;
            case ITuple tuple:
                var items = new ModuleGroup(isList: true);
                for (int i = 0; i < tuple.Length; i++)
                {
                    string at = i.ToString(CultureInfo.InvariantCulture);
                    Take(parts, items._parameters, items._children, tuple[i], at, $"{source}.Item{i + 1}");
                }
                AddGroup(children, name, items, source);
                return;
            default:
                if (ModuleFields.MayHold(value.GetType()))
                    parts.Others.Add((source, value));
                return;
        }
    }

    private bool IsRegistered(Tensor tensor) =>
        _parameters.Exists(p => ReferenceEquals(p.Tensor, tensor))
        || _buffers.Exists(b => ReferenceEquals(b.Tensor, tensor));

    private void AddGroup(List<(string, Module)> children, string name, ModuleGroup group, string source)
    {
        if (group._parameters.Count + group._children.Count > 0)
            Add(children, name, group, source);
    }

    private void Add<T>(List<(string Name, T Value)> parts, string name, T value, string source)
        where T : class
    {
        int at = parts.FindIndex(p => p.Name == name);
        if (at >= 0 && !ReferenceEquals(parts[at].Value, value))
            throw Taken(source, value is Tensor ? "tensor" : "module", name);
        if (at < 0)
            parts.Add((name, value));
    }

    private InvalidOperationException Taken(string source, string kind, string name) =>
        new(
            $"{GetType().Name}: the field {source} holds another {kind} than the one that "
                + $"is called '{name}'; register what the field holds under that name, in place of the other, or give it one "
                + "of its own."
        );

    /// <summary>A list or dictionary in a field, seen as PyTorch's ModuleList, ModuleDict, ParameterList or ParameterDict.</summary>
    private sealed class ModuleGroup : Module
    {
        public ModuleGroup(bool isList)
        {
            IsList = isList;
            _looked = true;
        }

        private protected override bool IsList { get; }

        private protected override bool IsGroup => true;

        private protected override string KindName =>
            (_children.Count > 0 ? "Module" : "Parameter") + (IsList ? "List" : "Dict");

        public override Tensor Forward(Tensor x) =>
            throw new NotSupportedException("A list of modules computes nothing; call Forward of each.");
    }
}
