using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// Where values are 0: by the conditions of selects against 0, or against −∞ in exponents, through products, maps and sums. A condition is a linear form of axes
/// that is below 0 where the value is 0.
/// </summary>
internal sealed class ZeroValues
{
    private const int Deepest = 16;

    // What some of the blocks write.
    private readonly ILookup<Algorithms.Buffer, Block> _writers;

    /// <param name="nest">Where the blocks are.</param>
    /// <param name="blocks">Those whose values are looked into; no others write what they write.</param>
    public ZeroValues(LoopNest nest, IReadOnlyCollection<Block> blocks) =>
        _writers = blocks
            .Where(b => b.Outputs.Length == 1 && nest.WritersOf(b.Output).All(blocks.Contains))
            .ToLookup(b => b.Output);

    /// <summary>Forms over the axes of a block, each of which is below 0 only where it writes, or adds, 0.</summary>
    public ImmutableArray<LinearForm> Unless(Block block) => Of(block.Values[0], 0) ?? [];

    // Null: always 0.
    private ImmutableArray<LinearForm>? Of(Expr value, int depth)
    {
        if (depth > Deepest)
            return [];
        switch (value)
        {
            case FloatImm { Value: 0 } or IntImm { Value: 0 }:
                return null;
            case Cast { A.Type: var from } cast when from.IsFloat() && cast.Type.IsFloat():
                return Of(cast.A, depth);
            case Select { Else: FloatImm { Value: 0 } } s:
                return Both(Of(s.Then, depth), Bounds(s.Cond));
            case Select { Then: FloatImm { Value: 0 } } s:
                return Both(Of(s.Else, depth), Bounds(Op.Not(s.Cond)));
            case Binary { Kind: BinaryOp.Mul } m:
                return Of(m.A, depth) is { } a && Of(m.B, depth) is { } b ? Both(a, b) : null;
            case Apply { Arguments: [var exponent] } call when call.Function == ScalarFunctions.Exp:
                return Infinite(exponent, depth);
            case Binary { Kind: BinaryOp.Div } d:
                return Of(d.A, depth);
            case Binary { Kind: BinaryOp.Add or BinaryOp.Sub } s:
                return Either(Of(s.A, depth), Of(s.B, depth));
            case Load load when _writers.Contains(load.Buffer):
                ImmutableArray<LinearForm>? all = null;
                foreach (var writer in _writers[load.Buffer])
                    all = Either(all, Read(load, writer, depth + 1));
                return all;
            default:
                return [];
        }
    }

    // What a block writes at the place of a load.
    private ImmutableArray<LinearForm>? Read(Load load, Block writer, int depth)
    {
        bool sums = writer.Reducer is { IsSum: true };
        if ((writer.IsReduction && !sums) || !writer.ArePlainAxes(writer.Indices))
            return [];
        return Of(writer.Values[0], depth) is { } inside ? At(load, writer, inside) : null;
    }

    // Forms over the axes of a block at the place of a load of what it writes. A sum is 0 where all that it adds is.
    private static ImmutableArray<LinearForm> At(Load load, Block writer, ImmutableArray<LinearForm> inside)
    {
        var place = writer
            .Indices.Select((index, d) => ((Var)index, load.Indices[d]))
            .ToDictionary(p => p.Item1, p => p.Item2);
        var forms = ImmutableArray.CreateBuilder<LinearForm>();
        foreach (var form in inside)
        {
            Expr most = form.Constant;
            bool known = true;
            foreach (var (atom, coefficient) in form.Terms)
            {
                if (atom is Var v && place.TryGetValue(v, out var at))
                    most += coefficient * at;
                else if (writer.Axes.FirstOrDefault(a => a.Var == atom) is { Extent: IntImm { Value: var extent } })
                    most += coefficient > 0 ? coefficient * (extent - 1) : 0;
                else
                    known = false;
            }
            if (known)
                forms.Add(LinearForm.Of(most));
        }
        return forms.ToImmutable();
    }

    // Where an exponent is −∞, which what is added to it does not change.
    private ImmutableArray<LinearForm> Infinite(Expr exponent, int depth)
    {
        switch (exponent)
        {
            case Select { Else: FloatImm { Value: double.NegativeInfinity } } s:
                return [.. Infinite(s.Then, depth), .. Bounds(s.Cond)];
            case Select { Then: FloatImm { Value: double.NegativeInfinity } } s:
                return [.. Infinite(s.Else, depth), .. Bounds(Op.Not(s.Cond))];
            case Binary { Kind: BinaryOp.Add } b:
                return [.. Infinite(b.A, depth), .. Infinite(b.B, depth)];
            case Binary { Kind: BinaryOp.Sub } b:
                return Infinite(b.A, depth);
            case Load load when depth < Deepest && _writers[load.Buffer].ToList() is [{ IsReduction: false } writer]:
                return writer.ArePlainAxes(writer.Indices)
                    ? At(load, writer, Infinite(writer.Values[0], depth + 1))
                    : [];
            default:
                return [];
        }
    }

    private static ImmutableArray<LinearForm>? Both(ImmutableArray<LinearForm>? a, ImmutableArray<LinearForm> b) =>
        a is { } forms ? [.. forms, .. b] : null;

    private static ImmutableArray<LinearForm>? Either(ImmutableArray<LinearForm>? a, ImmutableArray<LinearForm>? b) =>
        a is not { } first ? b
        : b is not { } second ? a
        : [.. first.Where(f => second.Any(s => s.ToExpr() == f.ToExpr()))];

    // a < b holds only where b - a - 1 is not below 0.
    private static ImmutableArray<LinearForm> Bounds(Expr condition)
    {
        var forms = ImmutableArray.CreateBuilder<LinearForm>();
        foreach (var part in condition.Conjuncts())
        {
            if (part is not Binary { Kind: BinaryOp.Lt or BinaryOp.Le } test || test.A.Type != DTypes.Index)
                continue;
            var slack = LinearForm.Of(test.B) - LinearForm.Of(test.A);
            forms.Add(test.Kind == BinaryOp.Lt ? slack.WithConstant(slack.Constant - 1) : slack);
        }
        return forms.ToImmutable();
    }
}
