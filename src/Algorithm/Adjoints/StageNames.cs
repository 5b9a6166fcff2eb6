using System.Globalization;

namespace Picograd.Algorithms.Adjoints;

/// <summary>Names for what is added to an algorithm: d for the gradient of X gives dX, or ddX where dX means something else.</summary>
internal sealed class StageNames
{
    private readonly HashSet<string> _used;
    private readonly string _prefix;

    /// <summary>Names that differ from all of an algorithm's.</summary>
    /// <param name="algorithm">Whose buffers are named after.</param>
    /// <param name="letter">What the names begin with, as often as it takes.</param>
    public StageNames(Algorithm algorithm, string letter)
    {
        var buffers = algorithm.Inputs.Concat(algorithm.Stages.SelectMany(s => s.Outputs)).ToList();
        _used =
        [
            .. buffers.Select(b => b.Name),
            .. algorithm.Stages.Select(s => s.Name),
            .. algorithm.Parameters.Select(p => p.Name),
        ];
        _prefix = letter;
        while (buffers.Exists(b => _used.Contains(_prefix + b.Name)))
            _prefix += letter;
        _used.UnionWith(buffers.Select(Gradient));
    }

    /// <summary>The name of the gradient of a buffer; the same every time.</summary>
    public string Gradient(Buffer buffer) => _prefix + buffer.Name;

    /// <summary>A name of its own.</summary>
    public string Fresh(string name)
    {
        string candidate = name;
        for (int i = 1; !_used.Add(candidate); i++)
            candidate = name + "_" + i.ToString(CultureInfo.InvariantCulture);
        return candidate;
    }
}
