using Picograd.Algorithms;

namespace Picograd.Tests.Expressions;

/// <summary>Random index expressions and predicates, and a plain evaluator of them.</summary>
internal sealed class RandomExpressions(int seed)
{
    private readonly Random _random = new(seed);

    public Dictionary<Var, Interval> Ranges { get; } = [];

    private List<Var> Vars { get; } = [];

    public void NewVariables()
    {
        Ranges.Clear();
        Vars.Clear();
        int count = _random.Next(1, 5);
        for (int i = 0; i < count; i++)
        {
            long min = _random.Next(4) == 0 ? _random.Next(-9, 9) : 0;
            var v = new Var("ijkl"[i].ToString());
            Vars.Add(v);
            Ranges[v] = new Interval(min, min + _random.Next(0, _random.Next(2) == 0 ? 4 : 70));
        }
    }

    public Expr Index(int depth)
    {
        if (depth == 0 || _random.Next(6) == 0)
            return _random.Next(3) == 0 ? _random.Next(-12, 20) : Vars[_random.Next(Vars.Count)];
        Expr a = Index(depth - 1);
        return _random.Next(10) switch
        {
            0 or 1 => a + Index(depth - 1),
            2 => a - Index(depth - 1),
            3 => a * _random.Next(-3, 9),
            4 or 5 => Op.FloorDiv(a, _random.Next(1, 10)),
            6 or 7 => Op.Mod(a, _random.Next(1, 10)),
            8 => _random.Next(2) == 0 ? Op.Min(a, Index(depth - 1)) : Op.Max(a, Index(depth - 1)),
            _ => _random.Next(4) == 0 ? Op.Neg(a) : Op.Select(Predicate(depth - 1), a, Index(depth - 1)),
        };
    }

    public Expr Predicate(int depth)
    {
        if (depth <= 1 || _random.Next(3) > 0)
        {
            var (a, b) = (Index(Math.Max(depth - 1, 0)), Index(Math.Max(depth - 1, 0)));
            return _random.Next(5) switch
            {
                0 => Op.Lt(a, b),
                1 => Op.Le(a, b),
                2 => Op.Eq(a, b),
                3 => Op.Ne(a, b),
                _ => Op.Not(Op.Lt(a, b)),
            };
        }
        var (x, y) = (Predicate(depth - 1), Predicate(depth - 1));
        return _random.Next(3) switch
        {
            0 => Op.And(x, y),
            1 => Op.Or(x, y),
            _ => Op.Not(x),
        };
    }

    public Dictionary<Var, long> Values() =>
        Ranges.ToDictionary(r => r.Key, r => _random.NextInt64(r.Value.Min, r.Value.Max + 1));

    public static long Evaluate(Expr e, IReadOnlyDictionary<Var, long> values)
    {
        long On(Expr x) => Evaluate(x, values);
        return e switch
        {
            IntImm i => i.Value,
            Var v => values[v],
            Unary { Kind: UnaryOp.Neg } u => -On(u.A),
            Unary { Kind: UnaryOp.Not } u => 1 - On(u.A),
            Select s => On(s.Cond) != 0 ? On(s.Then) : On(s.Else),
            Binary b => b.Kind switch
            {
                BinaryOp.Add => On(b.A) + On(b.B),
                BinaryOp.Sub => On(b.A) - On(b.B),
                BinaryOp.Mul => On(b.A) * On(b.B),
                BinaryOp.FloorDiv => (long)Math.Floor((decimal)On(b.A) / On(b.B)),
                BinaryOp.Mod => On(b.A) - (long)Math.Floor((decimal)On(b.A) / On(b.B)) * On(b.B),
                BinaryOp.Min => Math.Min(On(b.A), On(b.B)),
                BinaryOp.Max => Math.Max(On(b.A), On(b.B)),
                BinaryOp.Eq => On(b.A) == On(b.B) ? 1 : 0,
                BinaryOp.Ne => On(b.A) != On(b.B) ? 1 : 0,
                BinaryOp.Lt => On(b.A) < On(b.B) ? 1 : 0,
                BinaryOp.Le => On(b.A) <= On(b.B) ? 1 : 0,
                BinaryOp.And => On(b.A) & On(b.B),
                BinaryOp.Or => On(b.A) | On(b.B),
                _ => throw new InvalidOperationException($"{b.Kind}"),
            },
            _ => throw new InvalidOperationException($"{e}"),
        };
    }
}
