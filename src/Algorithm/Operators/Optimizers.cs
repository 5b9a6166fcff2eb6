using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Update steps. Every output element depends on input elements at its own index only. Settings are an input, so that changing one
/// compiles nothing; of the half types they are float32, and so is what a step computes, each output being rounded once. Where a
/// number comes from another one less than 1 it is given, not computed: 1 − 0.999 has four digits in float32.
/// In all, g = s·G + wd·P is the slope, with s = −1 where the objective is maximized, and k = 1 − lr·wd for weight decay beside the slope.
/// </summary>
internal static class Optimizers
{
    private static readonly ImmutableArray<OperatorKey> Keys =
    [
        OperatorKey.Dimension("n", "parameters"),
        OperatorKey.Types(DTypes.Floats),
    ];

    // Names of states; of those that add up squares a + is in front.
    private static readonly string[] Moments = ["M", "+V"];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        Define("sgd", "P′ = P − lr·g", [], "lr wd s", s => s.P - s["lr"] * s.Slope),
        Define(
            "sgd_momentum",
            "V′ = μ·V + c·g, P′ = P − lr·V′",
            ["V"],
            "lr μ c wd s",
            s => s.P - s["lr"] * s.Keep("V", s["μ"] * s.Old("V") + s["c"] * s.Slope)
        ),
        Define(
            "sgd_nesterov",
            "V′ = μ·V + c·g, P′ = P − lr·(g + μ·V′)",
            ["V"],
            "lr μ c wd s",
            s => s.P - s["lr"] * (s.Slope + s["μ"] * s.Keep("V", s["μ"] * s.Old("V") + s["c"] * s.Slope))
        ),
        Define(
            "adam",
            "Adam (Kingma and Ba 2015): M′ = β1·M + (1 − β1)·g, V′ = β2·V + (1 − β2)·g², P′ = k·P − a·M′ / (√V′/r + ε) with a = lr / (1 − β1ᵗ), r = √(1 − β2ᵗ)",
            Moments,
            "a β1 β1c β2 β2c ε r wd k s",
            s => s["k"] * s.P - s["a"] * s.Mean() / (Op.Sqrt(s.Square()) / s["r"] + s["ε"])
        ),
        Define(
            "adam_amsgrad",
            "adam with the largest V′ so far in its place (Reddi and others 2018)",
            ["M", "+V", "+X"],
            "a β1 β1c β2 β2c ε r wd k s",
            s =>
                s["k"] * s.P
                - s["a"] * s.Mean() / (Op.Sqrt(s.Keep("X", Op.Max(s.Old("X"), s.Square()))) / s["r"] + s["ε"])
        ),
        Define(
            "nadam",
            "NAdam (Dozat 2016): P′ = k·P − (a·g + b·M′) / (√(V′/c) + ε)",
            Moments,
            "a b β1 β1c β2 β2c ε c wd k s",
            s => s["k"] * s.P - (s["a"] * s.Slope + s["b"] * s.Mean()) / (Op.Sqrt(s.Square() / s["c"]) + s["ε"])
        ),
        Define(
            "radam",
            "RAdam (Liu and others 2020): P′ = k·P − a·M′ / (u·(√V′ + ε) + 1 − u), u = 1 where the variance is tractable, else 0",
            Moments,
            "a u uc β1 β1c β2 β2c ε wd k s",
            s => s["k"] * s.P - s["a"] * s.Mean() / (s["u"] * (Op.Sqrt(s.Square()) + s["ε"]) + s["uc"])
        ),
        Define(
            "adamax",
            "Adamax (Kingma and Ba 2015): U′ = max(β2·U, |g| + ε), P′ = P − a·M′ / U′",
            ["M", "+U"],
            "a β1 β1c β2 ε wd s",
            s => s.P - s["a"] * s.Mean() / s.Keep("U", Op.Max(s["β2"] * s.Old("U"), Op.Abs(s.Slope) + s["ε"]))
        ),
        Define(
            "adagrad",
            "Adagrad (Duchi and others 2011): V′ = V + g², P′ = P − lr·g / (√V′ + ε)",
            ["+V"],
            "lr ε wd s",
            s => s.P - s["lr"] * s.Slope / (Op.Sqrt(s.Keep("V", s.Old("V") + s.Slope * s.Slope)) + s["ε"])
        ),
        Define(
            "rmsprop",
            "RMSprop (Hinton 2012): V′ = α·V + (1 − α)·g², P′ = P − lr·g / (√V′ + ε)",
            ["+V"],
            "lr α αc ε wd s",
            s => s.P - s["lr"] * s.Slope / s.Root()
        ),
        Define(
            "rmsprop_momentum",
            "RMSprop with V′ = α·V + (1 − α)·g², B′ = μ·B + g / (√V′ + ε), P′ = P − lr·B′",
            ["+V", "B"],
            "lr α αc ε wd s μ",
            s => s.P - s["lr"] * s.Keep("B", s["μ"] * s.Old("B") + s.Slope / s.Root())
        ),
        Define(
            "adadelta",
            "Adadelta (Zeiler 2012): V′ = ρ·V + (1 − ρ)·g², d = √(D + ε) / √(V′ + ε) · g, D′ = ρ·D + (1 − ρ)·d², P′ = P − lr·d",
            ["+V", "+D"],
            "lr ρ ρc ε wd s",
            s =>
            {
                var square = s.Keep("V", s["ρ"] * s.Old("V") + s["ρc"] * (s.Slope * s.Slope));
                var delta = s.Temporary("d", Op.Sqrt(s.Old("D") + s["ε"]) / Op.Sqrt(square + s["ε"]) * s.Slope);
                s.Keep("D", s["ρ"] * s.Old("D") + s["ρc"] * (delta * delta));
                return s.P - s["lr"] * delta;
            }
        ),
        Define(
            "rprop",
            "Rprop (Riedmiller and Braun 1993): of the last slope L and the steps T. T′ = T·η⁺ where g·L > 0, T·η⁻ where g·L < 0, within low and high; "
                + "L′ = 0 where g·L < 0, else g; P′ = P − sign(L′)·T′",
            ["L", "+T"],
            "η⁻ η⁺ low high wd s",
            s =>
            {
                var turn = s.Slope * s.Old("L");
                var factor = Op.Select(Op.Lt(s.Zero, turn), s["η⁺"], Op.Select(Op.Lt(turn, s.Zero), s["η⁻"], s.One));
                var step = s.Keep("T", Op.Min(Op.Max(s.Old("T") * factor, s["low"]), s["high"]));
                var slope = s.Keep("L", Op.Select(Op.Lt(turn, s.Zero), s.Zero, s.Slope));
                return s.P
                    - Op.Select(Op.Lt(s.Zero, slope), step, Op.Select(Op.Lt(slope, s.Zero), s.Zero - step, s.Zero));
            }
        ),
        Define(
            "asgd",
            "averaged SGD (Polyak and Juditsky 1992): P′ = k·P − η·g, A′ = A + μ·(P′ − A)",
            ["A"],
            "η μ k wd s",
            s =>
            {
                var moved = s.Temporary("moved", s["k"] * s.P - s["η"] * s.Slope);
                s.Keep("A", s.Old("A") + s["μ"] * (moved - s.Old("A")));
                return moved;
            }
        ),
    ];

    private static OperatorDefinition Define(
        string name,
        string formula,
        string[] states,
        string settings,
        Func<Step, Expr> update
    )
    {
        string[] positive = [.. states.Where(s => s[0] == '+').Select(s => s[1..])];
        states = [.. states.Select(s => s.TrimStart('+'))];
        string[] names = settings.Split(' ');
        string operands = string.Concat(states.Select(s => $"{s}[n..], "));
        string results = string.Concat(states.Select(s => $", {s}.new[n..]"));
        return new(
            name,
            $"{formula}; inputs P, G, {string.Concat(states.Select(s => s + ", "))}H = [{string.Join(", ", names)}]; "
                + $"outputs P′{string.Concat(states.Select(s => $", {s}′"))}",
            Keys,
            spec =>
            {
                var step = new Step(spec, states, names);
                return step.Build(update(step));
            }
        )
        {
            Example = $"{name} n=13",
            Operands = $"P[n..], G[n..], {operands}H:compute[{names.Length}] -> P.new[n..]{results}",
            Domain = (_, b) =>
                b.Name == "H" ? InputDomain.Probability
                : positive.Contains(b.Name) ? InputDomain.Positive
                : InputDomain.Any,
        };
    }

    /// <summary>One element's step while it is written down.</summary>
    private sealed class Step
    {
        private readonly OperatorSpec _spec;
        private readonly AlgorithmBuilder _builder;
        private readonly Axis _axis;
        private readonly string[] _states;
        private readonly string[] _settings;
        private readonly Buffer _numbers;
        private readonly Dictionary<string, Expr> _old = [];
        private readonly Dictionary<string, (Buffer Kept, Expr Value)> _new = [];
        private readonly Dictionary<string, Expr> _others = [];

        public Step(OperatorSpec spec, string[] states, string[] settings)
        {
            (_spec, _states, _settings) = (spec, states, settings);
            (_builder, _axis) = (spec.Builder(), new Axis("i", spec.Extent("n")));
            P = Element("P");
            var gradient = Element("G");
            foreach (string state in states)
                _old[state] = Element(state);
            _numbers = _builder.Input("H", spec.Type().Compute(), settings.Length);
            Slope = this["s"] * gradient + this["wd"] * P;
        }

        public Expr P { get; }

        public Expr Slope { get; }

        public Expr Zero => Op.Cast(_spec.Type().Compute(), 0);

        public Expr One => Op.Cast(_spec.Type().Compute(), 1);

        /// <summary>A setting.</summary>
        public Expr this[string setting] => _numbers[Array.IndexOf(_settings, setting)];

        public Expr Old(string state) => _old[state];

        /// <summary>What replaces a state: its value in this step, which is not rounded to a half type.</summary>
        public Expr Keep(string state, Expr value)
        {
            string name = $"{state}.new";
            if (!_spec.Type().IsStorage())
            {
                var kept = _builder.Stage(name, [_axis], value);
                return (_new[state] = (kept, kept[_axis])).Value;
            }
            var exact = _builder.Stage($"{name}.exact", [_axis], value);
            var rounded = _builder.Stage(name, [_axis], Op.Cast(_spec.Type(), exact[_axis]));
            return (_new[state] = (rounded, exact[_axis])).Value;
        }

        /// <summary>A value that is used more than once.</summary>
        public Expr Temporary(string name, Expr value) => _builder.Stage(name, [_axis], value)[_axis];

        /// <summary>M′ = β1·M + (1 − β1)·g.</summary>
        public Expr Mean() => Once("M", () => this["β1"] * Old("M") + this["β1c"] * Slope);

        /// <summary>V′ = β2·V + (1 − β2)·g².</summary>
        public Expr Square() => Once("V", () => this["β2"] * Old("V") + this["β2c"] * (Slope * Slope));

        /// <summary>√V′ + ε with V′ = α·V + (1 − α)·g².</summary>
        public Expr Root() => Op.Sqrt(Keep("V", this["α"] * Old("V") + this["αc"] * (Slope * Slope))) + this["ε"];

        private Expr Once(string state, Func<Expr> value) =>
            _others.TryGetValue(state, out var known) ? known : _others[state] = Keep(state, value());

        public Algorithm Build(Expr moved)
        {
            var updated = _builder.Stage("P.new", [_axis], Op.Cast(_spec.Type(), moved));
            return _builder.Build([updated, .. _states.Select(s => _new[s].Kept)]);
        }

        private Expr Element(string name) =>
            Op.Cast(_spec.Type().Compute(), _builder.Input(name, _spec.Type(), _axis.Extent)[_axis]);
    }
}
