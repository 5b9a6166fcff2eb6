using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>
/// Elements of buffers as C lvalues. The parts of an index that stand still in a loop are computed before it, once:
/// what depends on blocks and threads at the start of the kernel, what depends on a serial loop at its start.
/// </summary>
internal sealed class MemoryAccess(KernelContext kernel)
{
    // Sums of fewer terms are as readable, and as fast, where they are used.
    private const int WorthAName = 3;

    private ExprWriter? _values;

    public ExprWriter Values => _values ??= new ExprWriter(kernel, this);

    /// <summary>An element in its stored type.</summary>
    public string Element(Buffer buffer, ImmutableArray<Expr> indices)
    {
        var place = kernel.PlaceOf(buffer);
        return $"{place.Name}[{Subscript(place, indices)}]";
    }

    /// <summary>The address of an element, were the buffer not swizzled: what instructions take that swizzle themselves.</summary>
    public string Unswizzled(Buffer buffer, ImmutableArray<Expr> indices)
    {
        var place = kernel.PlaceOf(buffer);
        var offset = Hoist(kernel.Simplify(buffer.Offset(indices)), place.Name);
        return offset.IsConst(0) ? place.Name : $"{place.Name} + {Values.Write(offset)}";
    }

    /// <summary>Consecutive elements from an aligned one on, as an lvalue of a vector type.</summary>
    public string Vector(Buffer buffer, ImmutableArray<Expr> indices, VectorType type, bool isConst)
    {
        kernel.Touch(buffer, type.Bytes);
        return $"*({(isConst ? "const " : "")}{type.Name}*)&{Element(buffer, indices)}";
    }

    private string Subscript(Place place, ImmutableArray<Expr> indices)
    {
        var offset = kernel.Simplify(place.Buffer.Offset(indices));
        if (place.Kind == PlaceKind.Local)
            return Values.Write(offset);
        offset = Hoist(offset, place.Name);
        if (place.Buffer.Swizzle is not { } swizzle)
            return Values.Write(offset);
        if (place.Kind != PlaceKind.Shared)
            throw new LoweringException(
                "swizzle",
                $"{place.Buffer.Name} is not in shared memory, and only that is swizzled"
            );
        // Bits of the byte offset below Base stay, so the permutation is one of whole elements.
        long mask = (((1L << swizzle.Bits) - 1) << swizzle.Base) / place.Buffer.Type.Size();
        return $"{kernel.Use("swizzle")}({Values.Write(offset)}, {swizzle.Shift}, {mask})";
    }

    /// <summary>The same value, with what is known earlier behind names that are declared there.</summary>
    public Expr Hoist(Expr index, string name)
    {
        var form = LinearForm.Of(index);
        var byLevel = form.Terms.GroupBy(t => kernel.LevelOf(t.Atom)).OrderBy(g => g.Key);
        Expr sum = 0;
        int cost = 0;
        foreach (var group in byLevel)
        {
            foreach (var (atom, coefficient) in group)
            {
                sum =
                    coefficient < 0 && sum is not IntImm
                        ? Op.Sub(sum, Op.Mul(atom, -coefficient))
                        : Op.Add(sum, Op.Mul(atom, coefficient));
                cost += Cost(atom);
            }
            if (group.Key == int.MaxValue || cost < WorthAName)
                continue;
            sum = Name(sum, kernel.Scopes[group.Key], name);
            cost = 1;
        }
        return form.Constant < 0 ? Op.Sub(sum, -form.Constant) : Op.Add(sum, form.Constant);
    }

    private static int Cost(Expr atom) => atom is Var ? 1 : 1 + atom.Nodes().Count(n => n is Binary or Select);

    private Var Name(Expr sum, HoistScope scope, string name)
    {
        if (scope.Known.TryGetValue((name, sum), out var known))
            return known;
        var v = new Var($"{name}_at");
        var range = kernel.RangeOf(sum);
        string text = Values.Write(sum);
        string type = Values.TypeOf(sum);
        // A sum may pass through values outside of its own range; what is declared int must be int all the way.
        if (type == "int" != CText.FitsInt(range))
            range = new Interval(Math.Min(range.Min, int.MinValue - 1L), range.Max);
        string declared = kernel.Declare(v, v.Name, range);
        scope.Prologue.Line($"const {type} {declared} = {text};");
        scope.Vars.Add(v);
        return scope.Known[(name, sum)] = v;
    }
}
