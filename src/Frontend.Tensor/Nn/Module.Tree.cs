using System.Globalization;
using System.Text;
using Picograd.Algorithms;

namespace Picograd;

public abstract partial class Module
{
    /// <summary>The parts with their names, in the order of registration; those in lists and dictionaries each by itself.</summary>
    public IEnumerable<(string Name, Module Module)> NamedChildren =>
        Parts()
            .Children.SelectMany(c =>
                c.Module is ModuleGroup group
                    ? group.NamedChildren.Select(n => ($"{c.Name}.{n.Name}", n.Module))
                    : [(c.Name, c.Module)]
            );

    /// <summary>This module and all parts of parts, each once.</summary>
    public IEnumerable<Module> Modules => NamedModules.Select(m => m.Module);

    /// <summary>This module, whose path is empty, and all parts of parts with theirs, each once.</summary>
    public IEnumerable<(string Name, Module Module)> NamedModules
    {
        get
        {
            var met = new HashSet<Module>();
            var found = new List<(string, Module)>();
            void Visit(string path, Module module)
            {
                if (!met.Add(module))
                    return;
                found.Add((path, module));
                foreach (var (name, child) in module.NamedChildren)
                    Visit(path.Length == 0 ? name : $"{path}.{name}", child);
            }
            Visit("", this);
            return found;
        }
    }

    /// <summary>All buffers; one that is shared comes once.</summary>
    public IEnumerable<Tensor> Buffers => NamedBuffers.Select(b => b.Buffer);

    /// <summary>All buffers with their paths; one that is shared comes once.</summary>
    public IEnumerable<(string Name, Tensor Buffer)> NamedBuffers
    {
        get
        {
            var met = new HashSet<Tensor>();
            return [.. Walk().Where(e => !e.IsParameter && met.Add(e.Tensor)).Select(e => (e.Name, e.Tensor))];
        }
    }

    /// <summary>Calls a function with each part of parts, then with each part, then with this module. Returns itself.</summary>
    public Module Apply(Action<Module> function)
    {
        ArgumentNullException.ThrowIfNull(function);
        foreach (var child in Children)
            child.Apply(function);
        function(this);
        return this;
    }

    /// <summary>
    /// A module of the same make with tensors of its own (copy.deepcopy): parts that were one are one again, frozen parameters are frozen,
    /// hooks go along. Gradients, functions and objects of other classes do not.
    /// </summary>
    public Module DeepCopy() => ModuleCopy.Of(this);

    /// <summary>Starts (or ends) the recording of all parameters: those of a frozen module stay as they are. Returns itself.</summary>
    public Module RequiresGrad_(bool requiresGrad = true)
    {
        foreach (var parameter in Parameters.ToArray())
            parameter.RequiresGrad_(requiresGrad);
        return this;
    }

    /// <summary>Makes a module a part of this one.</summary>
    /// <exception cref="ArgumentException">The name is empty, has a dot or is a parameter's or a buffer's.</exception>
    public void AddModule(string name, Module module) => Register(name, module);

    /// <summary>The part of a path, <c>blocks.0.norm</c>; this module for an empty one.</summary>
    /// <exception cref="ArgumentException">There is none; lists what there is.</exception>
    public Module GetSubmodule(string target)
    {
        ArgumentNullException.ThrowIfNull(target);
        var all = NamedModules.ToArray();
        foreach (var (name, module) in all)
        {
            if (name == target)
                return module;
        }
        throw new ArgumentException(
            $"{GetType().Name}: there is no part '{target}'; there are {string.Join(", ", all.Skip(1).Select(m => m.Name))}.",
            nameof(target)
        );
    }

    /// <summary>The parameter of a path, <c>fc1.weight</c>.</summary>
    /// <exception cref="ArgumentException">There is none; lists what there is.</exception>
    public Tensor GetParameter(string target) => Entry_("parameter", target, isParameter: true);

    /// <summary>The buffer of a path.</summary>
    /// <exception cref="ArgumentException">There is none; lists what there is.</exception>
    public Tensor GetBuffer(string target) => Entry_("buffer", target, isParameter: false);

    private Tensor Entry_(string kind, string target, bool isParameter)
    {
        ArgumentNullException.ThrowIfNull(target);
        var all = Walk().Where(e => e.IsParameter == isParameter).ToArray();
        return Array.Find(all, e => e.Name == target)?.Tensor
            ?? throw new ArgumentException(
                $"{GetType().Name}: there is no {kind} '{target}'; there are {string.Join(", ", all.Select(e => e.Name))}.",
                nameof(target)
            );
    }

    /// <summary>
    /// A table: a line for each part of parts, indented, with its kind, the shapes of its own parameters and how many elements they
    /// have with those of its parts; then the totals.
    /// </summary>
    public string Summary()
    {
        var rows = new List<(string Part, string Shapes, string Count)>();
        void Visit(string name, Module module, int depth)
        {
            string label = new string(' ', 2 * depth) + (name.Length > 0 ? $"{name}: " : "") + module.KindName;
            var own = module.Parts().Parameters;
            rows.Add((label, string.Join(" ", own.Select(p => p.Tensor.Layout)), Number(module.ParameterCount)));
            foreach (var (part, child) in module.Parts().Children)
                Visit(part, child, depth + 1);
        }
        Visit("", this, 0);
        int first = Math.Max(4, rows.Max(r => r.Part.Length));
        int second = Math.Max(10, rows.Max(r => r.Shapes.Length));
        var text = new StringBuilder();
        text.AppendLine($"{"part".PadRight(first)}  {"parameters".PadRight(second)}  {"elements", 14}");
        foreach (var (part, shapes, count) in rows)
            text.AppendLine($"{part.PadRight(first)}  {shapes.PadRight(second)}  {count, 14}");
        long all = ParameterCount;
        long trained = Parameters.Where(p => p.RequiresGrad).Sum(p => p.NumElements);
        double bytes = Parameters.Concat(Buffers).Sum(t => (double)t.NumElements * t.DType.Size());
        text.AppendLine($"elements of parameters: {Number(all)}, of those trained {Number(trained)}");
        text.Append(CultureInfo.InvariantCulture, $"memory of parameters and buffers: {bytes / (1 << 20):0.00} MiB");
        return text.ToString();
    }

    private static string Number(long count) => count.ToString("N0", CultureInfo.InvariantCulture);
}
