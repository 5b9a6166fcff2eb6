using System.Collections.Immutable;

namespace Picograd.Algorithms.Adjoints;

/// <summary>Sums: what all their terms have in common comes out, and goes back in where a saved result then appears.</summary>
internal sealed partial class StageGraph
{
    // Σ a[r]·x[r, c] = a[r] · Σ x[r, c], of sums that were made here.
    private void Hoist()
    {
        for (int i = 0; i < _stages.Count; i++)
        {
            var stage = _stages[i];
            if (!IsMadeSum(stage) || _outputs.Contains(stage.Output))
                continue;
            var type = stage.Output.Type;
            var terms = Products.Terms(stage.Values[0]);
            var (common, _) = Products.Common(terms);
            var over = stage.ReduceAxes.ToList();
            bool Outside(Expr e) =>
                !over.Exists(a => e.Uses(a.Var)) && e.Loads().All(l => l.Indices.All(x => x is Var or IntImm));
            var factors = common.Factors.Where(Outside).ToImmutableList();
            // Not what is given: by 0 each term is divided, so that infinities of both signs are no number.
            var divisors = common.Divisors.Where(d => Outside(d) && !IsGiven(d)).ToImmutableList();
            double coefficient = terms.TrueForAll(t => t.Coefficient == terms[0].Coefficient)
                ? terms[0].Coefficient
                : 1;
            // Of a sum of zeros nothing can be taken out.
            if (coefficient == 0)
                coefficient = 1;
            // Nor what is given, of quotients: 1 / y may overflow where x / y does not.
            if (terms.Exists(t => t.Divisors.Count > divisors.Count))
                factors = factors.RemoveAll(IsGiven);
            if (factors.Count == 0 && divisors.Count == 0 && coefficient == 1)
                continue;
            var outside = new Product(coefficient, factors, divisors).ToExpr(type);
            var inside = Products.Sum(
                [
                    .. terms.Select(t => new Product(
                        t.Coefficient / coefficient,
                        t.Factors.RemoveRange(factors),
                        t.Divisors.RemoveRange(divisors)
                    )),
                ],
                type
            );
            var places = stage.SpatialAxes.Select(a => a.Var).ToList();
            Expr Outer(Load l) => outside.Substitute(places.Zip(l.Indices).ToDictionary(p => p.First, p => p.Second));
            if (IsDeviation(inside, stage))
            {
                _stages.RemoveAt(i--);
                Drop(stage.Output);
                continue;
            }
            if (inside is FloatImm each)
            {
                // Nothing is left to add up but a number, as often as there are points.
                Expr count = over.Aggregate((Expr)1, (n, a) => n * a.Extent);
                Expr times = count is IntImm known ? Op.Const(known.Value, type) : Op.Cast(type, count);
                _stages.RemoveAt(i--);
                Reread(stage.Output, l => Algebra.Mul(Outer(l), Algebra.Mul(times, each)));
                continue;
            }
            _stages[i] = stage with { Values = [inside] };
            // Not the stage itself: it cannot read what it computes.
            Reread(stage.Output, l => Algebra.Mul(Outer(l), l));
        }
    }

    private bool IsGiven(Expr e) =>
        e is Cast { A: var narrow } ? IsGiven(narrow) : e is Load l && _original.Inputs.Contains(l.Buffer);

    // x − Σ x / n over all n: adds up to rounding errors only.
    private bool IsDeviation(Expr value, Stage sum)
    {
        if (value is not Binary { Kind: BinaryOp.Sub, A: var element, B: var mean })
            return false;
        if (element is Binary { Kind: BinaryOp.Sub } && IsRounding(mean))
            return IsDeviation(element, sum);
        if (mean is Load through && _stages.Find(s => s.Kind == StageKind.Map && s.Output == through.Buffer) is { } map)
            mean = At(map, through.Indices);
        if (
            mean is not Binary { Kind: BinaryOp.Div, A: Load total, B: var count }
            || _stages.Find(s => s.Kind == StageKind.Reduce && s.Output == total.Buffer) is not { } all
            || !all.Reducer!.IsSum
        )
            return false;
        var (over, summed) = (sum.ReduceAxes.ToList(), all.ReduceAxes.ToList());
        if (
            !over.Select(a => a.Extent).SequenceEqual(summed.Select(a => a.Extent))
            || over.Exists(a => total.Uses(a.Var))
        )
            return false;
        Expr points = over.Aggregate((Expr)1, (n, a) => n * a.Extent);
        if (count != (points is IntImm known ? Op.Const(known.Value, count.Type) : Op.Cast(count.Type, points)))
            return false;
        var renamed = all.SpatialAxes.Zip(total.Indices).ToDictionary(p => p.First.Var, p => p.Second);
        foreach (var (from, to) in summed.Zip(over))
            renamed[from.Var] = to.Var;
        return all.Values[0].Substitute(renamed) == element;
    }

    // What such a sum is, or its part of a mean: 0 but for rounding.
    private bool IsRounding(Expr value) =>
        value switch
        {
            Load l when _stages.Find(s => s.Outputs.Contains(l.Buffer)) is { } stage => stage.Kind == StageKind.Map
                ? IsRounding(At(stage, l.Indices))
                : stage.Kind == StageKind.Reduce && stage.Reducer!.IsSum && IsDeviation(stage.Values[0], stage),
            Binary { Kind: BinaryOp.Div } b => !b.B.Loads().Any() && IsRounding(b.A),
            Select s => IsRounding(s.Then) && (Algebra.IsZero(s.Else) || IsRounding(s.Else)),
            _ => false,
        };

    // What is 0 everywhere, and the products that it is in.
    private void Drop(Buffer zero)
    {
        Expr Without(Expr e)
        {
            if (!e.Loads().Any(l => l.Buffer == zero))
                return e;
            switch (e)
            {
                case Load l when l.Buffer == zero:
                    return Algebra.Zero(l.Type);
                case Binary { Kind: BinaryOp.Mul or BinaryOp.Div } b:
                    var (left, right) = (Without(b.A), Without(b.B));
                    bool none = Algebra.IsZero(left) || (b.Kind == BinaryOp.Mul && Algebra.IsZero(right));
                    return none ? Algebra.Zero(b.Type) : b.WithChildren(Without);
                case Binary { Kind: BinaryOp.Add } b:
                    return Algebra.Add(Without(b.A), Without(b.B));
                case Binary { Kind: BinaryOp.Sub } b:
                    return Algebra.Sub(Without(b.A), Without(b.B));
                case Unary { Kind: UnaryOp.Neg } u:
                    return Algebra.Neg(Without(u.A));
                default:
                    return e.WithChildren(Without);
            }
        }
        for (int r = 0; r < _stages.Count; r++)
        {
            if (_stages[r].Reads.Contains(zero))
                _stages[r] = _stages[r] with { Values = [.. _stages[r].Values.Select(Without)] };
        }
    }

    private bool IsMadeSum(Stage stage) =>
        stage.Kind == StageKind.Reduce && stage.Reducer!.IsSum && _made.Contains(stage.Name);

    private void Reread(Buffer buffer, Func<Load, Expr> value)
    {
        for (int r = 0; r < _stages.Count; r++)
        {
            if (_stages[r].Reads.Contains(buffer))
                _stages[r] = WithRead(_stages[r], buffer, value);
        }
    }

    /// <summary>
    /// A saved result that is a product (softmax: E·R), or a difference to a logarithm (log-softmax: A − log S, so that exp A / S is
    /// its exponential), takes the place of what it is made of, where nothing else of that is needed then.
    /// </summary>
    private void UseSaved()
    {
        foreach (var stage in _original.Stages)
        {
            if (stage.Kind != StageKind.Map || !_saved.Contains(stage.Output) || SavedForm.Of(stage) is not { } form)
                continue;
            var before = _stages.ToList();
            int read = Recomputed();
            for (int i = 0; i < _stages.Count; i++)
            {
                if (_made.Contains(_stages[i].Name) && Written(i, form) is { } shorter)
                {
                    // Written may have put a sum before this stage.
                    i = _stages.FindIndex(s => s.Name == shorter.Name);
                    _stages[i] = shorter;
                }
            }
            if (Recomputed() < read)
                continue;
            _stages.Clear();
            _stages.AddRange(before);
        }
        DropUnread();
    }

    // Stages of the original algorithm that have to be computed again.
    private int Recomputed()
    {
        var needed = new HashSet<Buffer>(_outputs);
        int count = 0;
        foreach (var stage in Enumerable.Reverse(_stages))
        {
            if (!stage.Outputs.Any(needed.Contains))
                continue;
            needed.UnionWith(stage.Reads);
            count += _made.Contains(stage.Name) ? 0 : 1;
        }
        return count;
    }

    private Stage? Written(int at, SavedForm form)
    {
        var stage = _stages[at];
        if (stage.Kind is not (StageKind.Map or StageKind.Reduce))
            return null;
        // Through whatever stages lie between.
        var whole = stage;
        while (
            _stages.Find(s => s.Kind == StageKind.Map && _made.Contains(s.Name) && whole.Reads.Contains(s.Output))
                is { } map
        )
            whole = WithRead(whole, map.Output, l => At(map, l.Indices));
        var value = Written(whole.Values[0], stage, form);
        return value is null || value == whole.Values[0] ? null : stage with { Values = [value] };
    }

    private Expr? Written(Expr value, Stage stage, SavedForm form)
    {
        if (value is Select s)
            return Op.Select(s.Cond, Written(s.Then, stage, form) ?? s.Then, Written(s.Else, stage, form) ?? s.Else);
        if (value is Cast { Type: var type } cast && type.IsFloat())
            return Written(cast.A, stage, form) is { } inner ? Op.Cast(type, inner) : null;
        if (Products.Expand(value) is not { } terms)
            return null;
        bool changed = false;
        for (int t = 0; t < terms.Count; t++)
        {
            while ((form.In(terms[t]) ?? Absorbed(terms[t], stage, form)) is { } shorter)
            {
                terms[t] = shorter;
                changed = true;
            }
        }
        return changed ? Products.Sum(terms, value.Type) : null;
    }

    // q[r] · Σ v[r, c] = Σ q[r]·v[r, c] where each term then has the saved result in it.
    private Product? Absorbed(Product term, Stage reader, SavedForm form)
    {
        foreach (var factor in term.Factors)
        {
            if (
                factor is not Load load
                || _stages.FindIndex(s => s.Outputs.Length == 1 && s.Output == load.Buffer) is not (>= 0 and var at)
                || !IsMadeSum(_stages[at])
                || !load.Indices.All(i => i is Var)
                || Products.Expand(_stages[at].Values[0]) is not { } inner
            )
                continue;
            var sum = _stages[at];
            var own = new Dictionary<Var, Expr>();
            foreach (var (index, axis) in load.Indices.Zip(sum.SpatialAxes))
                own[(Var)index] = axis.Var;
            var (others, below) = (term.Factors.Remove(factor), term.Divisors);
            foreach (var (q, divides) in others.Select(q => (q, false)).Concat(below.Select(q => (q, true))))
            {
                if (!q.FreeVars().All(v => own.ContainsKey(v) || !reader.Axes.Any(a => a.Var == v)))
                    continue;
                var moved = q.Substitute(own);
                var products = inner.ConvertAll(p =>
                    form.In(
                        divides
                            ? p with
                            {
                                Divisors = p.Divisors.Add(moved),
                            }
                            : p with
                            {
                                Factors = p.Factors.Add(moved),
                            }
                    )
                );
                if (products.Contains(null))
                    continue;
                string name = _names.Fresh(sum.Name);
                var output = sum.Output.With(name: name);
                var value = Products.Sum([.. products.Select(p => p!)], sum.Output.Type);
                var stage = sum with { Name = name, Outputs = [output], Values = [value] };
                var twin = _stages.Find(s => IsMadeSum(s) && AreEqual(s, stage));
                if (twin is null)
                {
                    _made.Add(name);
                    _stages.Insert(at + 1, stage);
                }
                var place = (twin?.Output ?? output).At(load.Indices);
                return divides
                    ? term with
                    {
                        Factors = others.Add(place),
                        Divisors = below.Remove(q),
                    }
                    : term with
                    {
                        Factors = others.Remove(q).Add(place),
                    };
            }
        }
        return null;
    }
}
