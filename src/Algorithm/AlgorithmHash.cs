using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Picograd.Algorithms.Text;

namespace Picograd.Algorithms;

/// <summary>
/// Structural hashes: equal for algorithms that are the same but for names, in every process and on every machine (the
/// first 32 hex digits of the SHA-256 of a text).
/// </summary>
public static class AlgorithmHash
{
    /// <summary>Of <see cref="AlgorithmText"/> with names by position: everything but names.</summary>
    public static string Full(Algorithm algorithm) => AlgorithmText.Digest(AlgorithmText.PrintNameless(algorithm));

    /// <summary>
    /// As <see cref="Full"/> with constant extents abstracted: other sizes of the same operator have the same family.
    /// Extents are told apart as <see cref="AlgorithmExtents"/> does. Constants that equal an extent, one less, or the number of points that a reduction runs over (as
    /// in a mean) count as that extent. Of strides only their order and which are 0 and 1 remain; of a symbolic extent
    /// only that it is one.
    /// </summary>
    public static string Family(Algorithm algorithm)
    {
        algorithm = OwnFunctions.Written(algorithm);
        return AlgorithmText.Digest(new FamilyText(algorithm, new AlgorithmExtents(algorithm)).Write());
    }

    /// <summary>The algorithm as text with numbers for names and extents abstracted; nobody reads it again.</summary>
    private sealed class FamilyText(Algorithm algorithm, AlgorithmExtents classes)
    {
        private readonly StringBuilder _text = new();
        private readonly Dictionary<Buffer, int> _buffers = [];
        private readonly Dictionary<Var, int> _vars = [];
        private readonly List<long> _extents = [];
        private double _reduced = double.NaN;

        public string Write()
        {
            foreach (var p in algorithm.Parameters)
            {
                _vars[p.Var] = _vars.Count;
                Append("param;");
            }
            foreach (var input in algorithm.Inputs)
                Declare(input, "in");
            foreach (var stage in algorithm.Stages)
                Write(stage);
            Append("out " + string.Join(',', algorithm.Outputs.Select(o => _buffers[o])));
            return _text.ToString();
        }

        private void Write(Stage stage)
        {
            _extents.Clear();
            Append($"stage {stage.Kind}(");
            double points = 1;
            foreach (var axis in stage.Axes)
            {
                _vars[axis.Var] = _vars.Count;
                Append($"{axis.Kind} ");
                WriteExtent(axis.Extent, axis.Var);
                if (axis.Extent is IntImm extent && axis.Kind != AxisKind.Spatial)
                    points *= extent.Value;
            }
            foreach (var output in stage.Outputs)
                Declare(output, "to");
            if (stage.Initial is { } initial)
                Append($"{(stage.InPlace ? "in" : "from")} b{_buffers[initial]} ");
            Append("at ");
            foreach (var index in stage.Indices)
                Write(index);
            Append("is ");
            foreach (var value in stage.Values)
                Write(value);
            if (stage.Reducer is { } reducer)
            {
                // Limits such as the largest int64 are not extents: written as they are.
                _extents.Clear();
                _reduced = double.NaN;
                Append("by ");
                foreach (var e in reducer.Identity.Concat(reducer.Result))
                    Write(e);
            }
            Append(");");
            if (stage.Kind == StageKind.Reduce)
                _reduced = points;
        }

        private void Declare(Buffer buffer, string role)
        {
            if (!_buffers.TryAdd(buffer, _buffers.Count))
                return;
            Append($"{role} b{_buffers[buffer]} {buffer.Type.Name()}[");
            for (int d = 0; d < buffer.Rank; d++)
                WriteExtent(buffer.Shape[d], (buffer, d));
            Append("]");
            if (!buffer.Pitches.IsDefault)
            {
                Append("/");
                foreach (var pitch in buffer.Pitches)
                    Write(pitch);
            }
            if (buffer.Strides.IsDefault)
                return;
            var sorted = buffer.Strides.Where(s => s > 1).Distinct().Order().ToList();
            foreach (long stride in buffer.Strides)
            {
                if (stride is 0 or 1)
                    Append($"/{stride}");
                else
                    Append($"/s{sorted.IndexOf(stride)}");
            }
        }

        private void WriteExtent(Expr extent, object place)
        {
            if (extent is not IntImm constant)
            {
                Write(extent);
                return;
            }
            Append($"e{classes.Of(place)} ");
            _extents.Add(constant.Value);
        }

        private void Write(Expr e)
        {
            switch (e)
            {
                case IntImm i:
                    Append($"{(IsExtent(i.Value) ? "extent" : i.Value.ToString(CultureInfo.InvariantCulture))} ");
                    Append($"{i.ImmType.Name()} ");
                    return;
                case FloatImm f:
                    // As the text has it, and every back end.
                    double value = f.ImmType == DType.Float32 ? (float)f.Value : f.Value;
                    long bits = BitConverter.DoubleToInt64Bits(value);
                    Append($"{(IsExtent(value) ? "extent" : bits.ToString("x", CultureInfo.InvariantCulture))} ");
                    Append($"{f.ImmType.Name()} ");
                    return;
                case Var v:
                    Append($"v{_vars[v]} ");
                    return;
                case ReducerArg a:
                    Append($"{(a.IsNew ? "new" : "acc")}{a.Index} ");
                    return;
                case Unary u:
                    Append($"({u.Kind} ");
                    break;
                // relu(x) computes what max(x, 0) does.
                case Apply { Meaning: { } meaning }:
                    Write(meaning);
                    return;
                case Apply a:
                    Append($"({char.ToUpperInvariant(a.Function.Name[0])}{a.Function.Name[1..]} ");
                    break;
                case Binary b:
                    Append($"({b.Kind} ");
                    break;
                case Cast c:
                    Append($"(cast {c.To.Name()} ");
                    break;
                case Bitcast c:
                    Append($"(bits {c.To.Name()} ");
                    break;
                case Load l:
                    Append($"(b{_buffers[l.Buffer]} ");
                    break;
                case Fma or Select:
                    Append($"({e.GetType().Name} ");
                    break;
                default:
                    throw new InvalidOperationException($"no canonical form for {e.GetType().Name}");
            }
            foreach (var child in e.Children())
            {
                // A bare constant index picks one element, whatever the extents.
                if (e is Load && child is IntImm index)
                    Append($"#{index.Value} ");
                else
                    Write(child);
            }
            Append(")");
        }

        // Which extent is left open: that two of them are equal here says nothing about other sizes. 0 and 1 are
        // structure, greater constants may come from an extent.
        private bool IsExtent(double value) =>
            value >= 2 && (value == _reduced || _extents.Any(extent => value == extent || value == extent - 1));

        private void Append(string part) => _text.Append(part);
    }
}
