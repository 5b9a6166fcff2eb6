using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Xunit;

namespace Picograd.Tests.Text;

/// <summary>
/// Whether two algorithms are the same but for names: compared node by node, by nothing that writes or reads texts.
/// </summary>
internal sealed class SameAlgorithm
{
    private readonly Dictionary<object, object> _pairs = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<(Expr, Expr)> _seen = [];

    private sealed class ByReference : IEqualityComparer<(Expr, Expr)>
    {
        public bool Equals((Expr, Expr) x, (Expr, Expr) y) =>
            ReferenceEquals(x.Item1, y.Item1) && ReferenceEquals(x.Item2, y.Item2);

        public int GetHashCode((Expr, Expr) p) =>
            HashCode.Combine(
                System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(p.Item1),
                System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(p.Item2)
            );
    }

    private SameAlgorithm() => _seen = new(new ByReference());

    public static void Check(Algorithm a, Algorithm b) => new SameAlgorithm().Compare(a, b);

    private void Compare(Algorithm a, Algorithm b)
    {
        Assert.Equal(a.Parameters.Length, b.Parameters.Length);
        for (int i = 0; i < a.Parameters.Length; i++)
        {
            Assert.Equal((a.Parameters[i].Min, a.Parameters[i].Max), (b.Parameters[i].Min, b.Parameters[i].Max));
            _pairs[a.Parameters[i].Var] = b.Parameters[i].Var;
        }
        Assert.Equal(a.Inputs.Length, b.Inputs.Length);
        for (int i = 0; i < a.Inputs.Length; i++)
            Declare(a.Inputs[i], b.Inputs[i]);
        Assert.Equal(a.Stages.Length, b.Stages.Length);
        for (int i = 0; i < a.Stages.Length; i++)
            Compare(a.Stages[i], b.Stages[i]);
        Assert.Equal(a.Outputs.Select(o => _pairs[o]), b.Outputs);
    }

    private void Compare(Stage a, Stage b)
    {
        Assert.Equal((a.Kind, a.InPlace), (b.Kind, b.InPlace));
        Assert.Equal(a.Axes.Select(x => x.Kind), b.Axes.Select(x => x.Kind));
        foreach (var (x, y) in a.Axes.Zip(b.Axes))
        {
            Compare(x.Extent, y.Extent);
            _pairs[x.Var] = y.Var;
        }
        Assert.Equal(a.Outputs.Length, b.Outputs.Length);
        foreach (var (x, y) in a.Outputs.Zip(b.Outputs))
            Declare(x, y);
        Compare(a.Indices, b.Indices);
        Compare(a.Values, b.Values);
        Assert.Equal(a.Initial is null ? null : _pairs[a.Initial], b.Initial);
        Assert.Equal(a.Reducer is null, b.Reducer is null);
        if (a.Reducer is not { } reducer)
            return;
        Assert.Equal(reducer.IsSum, b.Reducer!.IsSum);
        Compare(reducer.Identity, b.Reducer.Identity);
        Compare(reducer.Result, b.Reducer.Result);
    }

    private void Declare(Buffer a, Buffer b)
    {
        Assert.Equal(a.Type, b.Type);
        Compare(a.Shape, b.Shape);
        Assert.Equal(a.Strides.IsDefault, b.Strides.IsDefault);
        if (!a.Strides.IsDefault)
            Assert.Equal(a.Strides.AsEnumerable(), b.Strides.AsEnumerable());
        Assert.Equal(a.Pitches.IsDefault, b.Pitches.IsDefault);
        if (!a.Pitches.IsDefault)
            Compare(a.Pitches, b.Pitches);
        _pairs[a] = b;
    }

    private void Compare(IReadOnlyList<Expr> a, IReadOnlyList<Expr> b)
    {
        Assert.Equal(a.Count, b.Count);
        for (int i = 0; i < a.Count; i++)
            Compare(a[i], b[i]);
    }

    private void Compare(Expr a, Expr b)
    {
        if (!_seen.Add((a, b)))
            return;
        // A function that no table has is written as what it stands for.
        if (a is Apply { Function: { Definition: { } definition } own } call && ScalarFunctions.Find(own.Name) != own)
        {
            Compare(definition(call.Arguments), b);
            return;
        }
        Assert.Equal(a.GetType(), b.GetType());
        Assert.Equal(a.Type, b.Type);
        switch (a, b)
        {
            case (IntImm x, IntImm y):
                Assert.Equal(x.Value, y.Value);
                break;
            case (FloatImm x, FloatImm y):
                bool single = x.ImmType == DType.Float32 && !double.IsNaN(x.Value);
                Assert.Equal(
                    BitConverter.DoubleToInt64Bits(single ? (float)x.Value : x.Value),
                    BitConverter.DoubleToInt64Bits(y.Value)
                );
                break;
            case (Var x, Var y):
                Assert.Same(_pairs[x], y);
                break;
            case (ReducerArg x, ReducerArg y):
                Assert.Equal(x, y);
                break;
            case (Unary x, Unary y):
                Assert.Equal(x.Kind, y.Kind);
                break;
            case (Binary x, Binary y):
                Assert.Equal(x.Kind, y.Kind);
                break;
            case (Load x, Load y):
                Assert.Same(_pairs[x.Buffer], y.Buffer);
                break;
        }
        Compare([.. a.Children()], [.. b.Children()]);
    }
}
