using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Steps of recurrent networks, and their gradients: X is what the input gives to the gates and R what the state does, both of a product
/// each; P is the state before. Gates are in PyTorch's order: input, forget, cell, output; reset, update, new.
/// </summary>
internal static class Recurrent
{
    private static readonly ImmutableArray<OperatorKey> Keys =
    [
        OperatorKey.Dimension("b", "sequences"),
        OperatorKey.Dimension("h", "numbers of a state"),
        OperatorKey.Types(DTypes.Floats),
    ];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        new("lstm_cell", "a step of an LSTM: state, cell, gates, tanh of the cell", Keys, Lstm)
        {
            Example = "lstm_cell b=3 h=5",
            Operands = "X[b, 4, h], R[b, 4, h], C[b, h] -> H[b, h], D[b, h], A[b, 4, h], T[b, h]",
        },
        new("lstm_cell_grad", "gradients of gates and of the cell before", Keys, LstmGrad)
        {
            Example = "lstm_cell_grad b=3 h=5",
            Operands = "A[b, 4, h], C[b, h], T[b, h], E[b, h], G[b, h], D[b, h] -> dX[b, 4, h], dC[b, h]",
        },
        new("gru_cell", "a step of a GRU: state, reset and update gates, new values", Keys, Gru)
        {
            Example = "gru_cell b=3 h=5",
            Operands = "X[b, 3, h], R[b, 3, h], P[b, h] -> H[b, h], A[b, 2, h], N[b, h]",
        },
        new(
            "gru_cell_grad",
            "gradients of gates, as the input's and the state's product have them, and of the state",
            Keys,
            GruGrad
        )
        {
            Example = "gru_cell_grad b=3 h=5",
            Operands =
                "A[b, 2, h], N[b, h], R[b, 3, h], P[b, h], E[b, h], G[b, h] -> dX[b, 3, h], dR[b, 3, h], dP[b, h]",
        },
        new("rnn_cell", "a step of a plain recurrent network", [.. Keys, Kind], Rnn)
        {
            Example = "rnn_cell b=3 h=5",
            Operands = "X[b, h], R[b, h] -> H[b, h]",
        },
        new("rnn_cell_grad", "gradients of what is under the nonlinearity", [.. Keys, Kind], RnnGrad)
        {
            Example = "rnn_cell_grad b=3 h=5",
            Operands = "H[b, h], E[b, h], G[b, h] -> dX[b, h]",
        },
    ];

    private static OperatorKey Kind => OperatorKey.Choice("act", "nonlinearity", "tanh", "relu");

    // Axes, and operands as what is computed.
    private sealed class Step
    {
        private readonly OperatorSpec _spec;
        private readonly DType _type;

        public Step(OperatorSpec spec)
        {
            _spec = spec;
            _type = spec.Type();
            Builder = spec.Builder();
            (B, H) = (new Axis("b", spec.Extent("b")), new Axis("h", spec.Extent("h")));
        }

        public AlgorithmBuilder Builder { get; }

        public Axis B { get; }

        public Axis H { get; }

        public DType Compute => _type.Compute();

        public Func<Expr, Expr> Gates(string name, int count)
        {
            var buffer = Builder.Input(name, _type, B.Extent, count, H.Extent);
            return k => Op.Cast(Compute, buffer[B, k, H]);
        }

        public Expr State(string name) => Op.Cast(Compute, Builder.Input(name, _type, B.Extent, H.Extent)[B, H]);

        public Buffer Stage(string name, Expr value) => Builder.Stage(name, [B, H], value);

        public Buffer Out(string name, Expr value) => Stage(name, Op.Cast(_type, value));

        /// <summary>A stage over the gates, too.</summary>
        public Buffer Gates(string name, int count, Func<Expr, Expr> value, bool output = true)
        {
            var k = new Axis("k", count);
            var element = value(k.Var);
            return Builder.Stage(name, [B, k, H], output ? Op.Cast(_type, element) : element);
        }
    }

    private static Expr C(double value, Expr like) => Op.Const(value, like.Type);

    private static Expr Is(Expr k, int gate) => Op.Eq(k, gate);

    private static Algorithm Lstm(OperatorSpec spec)
    {
        var s = new Step(spec);
        var (x, r) = (s.Gates("X", 4), s.Gates("R", 4));
        var c = s.State("C");
        // tanh z = 2·σ(2z) − 1, so that all gates are one function.
        var a = s.Gates(
            "V",
            4,
            k =>
            {
                var z = x(k) + r(k);
                var scale = Op.Select(Is(k, 2), C(2, z), C(1, z));
                return Op.Sigmoid(z * scale) * scale - (scale - 1);
            },
            output: false
        );
        Expr A(Expr k) => a[s.B, k, s.H];
        var next = s.Stage("W", A(1) * c + A(0) * A(2));
        var t = s.Stage("U", Op.Tanh(next[s.B, s.H]));
        return s.Builder.Build(
            s.Out("H", A(3) * t[s.B, s.H]),
            s.Out("D", next[s.B, s.H]),
            s.Gates("A", 4, A),
            s.Out("T", t[s.B, s.H])
        );
    }

    private static Algorithm LstmGrad(OperatorSpec spec)
    {
        var s = new Step(spec);
        var a = s.Gates("A", 4);
        var (c, t) = (s.State("C"), s.State("T"));
        var grad = s.State("E") + s.State("G");
        var cell = s.State("D") + grad * a(3) * (1 - t * t);
        var dx = s.Gates(
            "dX",
            4,
            k =>
            {
                var other = Op.Select(Is(k, 0), a(2), Op.Select(Is(k, 1), c, a(0)));
                var slope = Op.Select(Is(k, 2), 1 - a(k) * a(k), a(k) * (1 - a(k)));
                return Op.Select(Is(k, 3), grad * t, cell * other) * slope;
            }
        );
        return s.Builder.Build(dx, s.Out("dC", cell * a(1)));
    }

    private static Algorithm Gru(OperatorSpec spec)
    {
        var s = new Step(spec);
        var (x, r) = (s.Gates("X", 3), s.Gates("R", 3));
        var p = s.State("P");
        var a = s.Gates("V", 2, k => Op.Sigmoid(x(k) + r(k)), output: false);
        Expr A(Expr k) => a[s.B, k, s.H];
        var n = s.Stage("W", Op.Tanh(x(2) + A(0) * r(2)));
        var value = n[s.B, s.H];
        return s.Builder.Build(s.Out("H", value + A(1) * (p - value)), s.Gates("A", 2, A), s.Out("N", value));
    }

    private static Algorithm GruGrad(OperatorSpec spec)
    {
        var s = new Step(spec);
        var a = s.Gates("A", 2);
        var n = s.State("N");
        var r = s.Gates("R", 3);
        var p = s.State("P");
        var grad = s.State("E") + s.State("G");
        var inner = grad * (1 - a(1)) * (1 - n * n);
        Expr Gate(Expr k) =>
            Op.Select(
                Is(k, 0),
                inner * r(2) * a(0) * (1 - a(0)),
                Op.Select(Is(k, 1), grad * (p - n) * a(1) * (1 - a(1)), inner)
            );
        return s.Builder.Build(
            s.Gates("dX", 3, Gate),
            s.Gates("dR", 3, k => Gate(k) * Op.Select(Is(k, 2), a(0), C(1, n))),
            s.Out("dP", grad * a(1))
        );
    }

    private static Algorithm Rnn(OperatorSpec spec)
    {
        var s = new Step(spec);
        var z = s.State("X") + s.State("R");
        return s.Builder.Build(s.Out("H", spec.Choice("act") == "tanh" ? Op.Tanh(z) : Op.Max(z, C(0, z))));
    }

    private static Algorithm RnnGrad(OperatorSpec spec)
    {
        var s = new Step(spec);
        var h = s.State("H");
        var grad = s.State("E") + s.State("G");
        return s.Builder.Build(
            s.Out("dX", spec.Choice("act") == "tanh" ? grad * (1 - h * h) : Op.Select(Op.Lt(C(0, h), h), grad, C(0, h)))
        );
    }
}
