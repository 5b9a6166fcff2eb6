namespace Picograd.Onnx.Operators;

/// <summary>Operators element by element.</summary>
internal static class Elements
{
    public static void Add(Dictionary<string, Operation> table)
    {
        AddFunctions(table);
        AddActivations(table);
        AddArithmetic(table);
        AddLogic(table);
    }

    private static void AddFunctions(Dictionary<string, Operation> table)
    {
        foreach (
            var (name, function) in new (string, Func<Tensor, Tensor>)[]
            {
                ("Abs", x => x.Abs()),
                ("Acos", x => x.Acos()),
                ("Acosh", x => x.Acosh()),
                ("Asin", x => x.Asin()),
                ("Asinh", x => x.Asinh()),
                ("Atan", x => x.Atan()),
                ("Atanh", x => x.Atanh()),
                ("BitwiseNot", x => x.BitwiseNot()),
                ("Ceil", x => x.Ceil()),
                ("Cos", x => x.Cos()),
                ("Cosh", x => x.Cosh()),
                ("Det", Linalg.Det),
                ("Erf", x => x.Erf()),
                ("Exp", x => x.Exp()),
                ("Floor", x => x.Floor()),
                ("HardSwish", x => F.Hardswish(x)),
                ("IsNaN", x => x.IsNan()),
                ("Log", x => x.Log()),
                ("Mish", x => F.Mish(x)),
                ("Neg", x => -x),
                ("Not", x => x.LogicalNot()),
                ("Reciprocal", x => x.Reciprocal()),
                ("Relu", x => x.Relu()),
                ("Round", x => x.Round()),
                ("Sigmoid", x => x.Sigmoid()),
                ("Sign", x => x.Sign()),
                ("Sin", x => x.Sin()),
                ("Sinh", x => x.Sinh()),
                ("Softplus", x => F.Softplus(x)),
                ("Softsign", x => F.Softsign(x)),
                ("Sqrt", x => x.Sqrt()),
                ("Tan", x => x.Tan()),
                ("Tanh", x => x.Tanh()),
            }
        )
            table.One(name, c => function(c[0]));
    }

    private static void AddActivations(Dictionary<string, Operation> table)
    {
        table.One("Celu", c => F.Celu(c[0], c.Node.Float("alpha", 1)));
        table.One("Elu", c => F.Elu(c[0], c.Node.Float("alpha", 1)));
        table.One("LeakyRelu", c => F.LeakyRelu(c[0], c.Node.Float("alpha", 0.01)));
        table.One("Gelu", c => c[0].Gelu(c.Node.Text("approximate", "none")));
        table.One("HardSigmoid", c => (c[0] * c.Node.Float("alpha", 0.2) + c.Node.Float("beta", 0.5)).Clamp(0, 1));
        table.One(
            "Selu",
            c =>
            {
                double alpha = c.Node.Float("alpha", 1.6732632423543772);
                var x = c[0];
                return Tensor.Where(x > 0, x, x.Minimum(Number(0, x)).Expm1() * alpha)
                    * c.Node.Float("gamma", 1.0507009873554805);
            }
        );
        table.One("PRelu", c => Tensor.Where(c[0] < 0, c[0] * c[1], c[0]));
        table.One("ThresholdedRelu", c => Tensor.Where(c[0] > c.Node.Float("alpha", 1), c[0], 0));
        table.One(
            "Shrink",
            c =>
            {
                var x = c[0];
                double edge = c.Node.Float("lambd", 0.5);
                double bias = c.Node.Float("bias", 0);
                return Tensor.Where(x < -edge, x + bias, Tensor.Where(x > edge, x - bias, 0)).To(x.DType);
            }
        );
        table.One("Softmax", c => Rows(c, (x, axis) => x.Softmax(axis)));
        table.One("LogSoftmax", c => Rows(c, (x, axis) => x.LogSoftmax(axis)));
        table.One(
            "Hardmax",
            c => Rows(c, (x, axis) => F.OneHot(x.ArgMax(axis), x.Size(axis)).To(x.DType).MoveDim(-1, axis))
        );
        table.One(
            "Clip",
            c =>
            {
                var x = c[0];
                var low = c.Given(1) ?? Attribute("min");
                var high = c.Given(2) ?? Attribute("max");
                x = low is null ? x : x.Maximum(low.Reshape());
                return high is null ? x : x.Minimum(high.Reshape());

                Tensor? Attribute(string name) =>
                    c.Node.Attribute(name) is null ? null : Number(c.Node.Float(name, 0), x);
            }
        );
        table["Dropout"] = c =>
        {
            double ratio = c.Given(1)?.Item() ?? c.Node.Float("ratio", 0.5);
            bool training = (c.Given(2)?.Item() ?? (c.Scope.Training && c.Node.Opset < 12 ? 1 : 0)) != 0 && ratio > 0;
            if (!training)
                return [c[0], Tensor.Ones(c[0].Shape, DType.Bool, c[0].Device)];
            var mask = Tensor.Rand(c[0].Shape, c.Scope.Generator, DType.Float32, c[0].Device).Ge((Tensor)ratio);
            return [c[0] * mask.To(c[0].DType) * (1 / (1 - ratio)), mask];
        };
    }

    private static void AddArithmetic(Dictionary<string, Operation> table)
    {
        table.One("Add", c => c[0] + c[1]);
        table.One("Sub", c => c[0] - c[1]);
        table.One("Mul", c => c[0] * c[1]);
        table.One("Div", c => c[0].DType.IsFloat() ? c[0] / c[1] : c[0].Div(c[1], "trunc"));
        table.One("Pow", c => Power(c[0], c[1]));
        table.One("Mod", c => c.Node.Int("fmod", 0) != 0 ? c[0].Fmod(c[1]) : c[0].Remainder(c[1]));
        table.One("Sum", c => Folded(c, (a, b) => a + b));
        table.One("Max", c => Folded(c, (a, b) => a.Maximum(b)));
        table.One("Min", c => Folded(c, (a, b) => a.Minimum(b)));
        table.One("Mean", c => Folded(c, (a, b) => a + b) / c.Count);
        table.One("MatMul", c => c[0].MatMul(c[1]));
        table.One(
            "Gemm",
            c =>
            {
                var a = c.Node.Int("transA", 0) != 0 ? c[0].T : c[0];
                var b = c.Node.Int("transB", 0) != 0 ? c[1].T : c[1];
                var product = a.MatMul(b);
                double alpha = c.Node.Float("alpha", 1);
                double beta = c.Node.Float("beta", 1);
                product = alpha == 1 ? product : product * alpha;
                return c.Given(2) is not { } bias ? product : product + (beta == 1 ? bias : bias * beta);
            }
        );
        table.One(
            "Einsum",
            c => Tensor.Einsum(c.Node.Text("equation", ""), [.. Enumerable.Range(0, c.Count).Select(i => c[i])])
        );
        table.One(
            "CumSum",
            c =>
            {
                var x = c[0];
                int axis = c.Axis(c.Needed(1)[0], x.Rank);
                bool reversed = c.Node.Int("reverse", 0) != 0;
                var summed = reversed ? x.Flip(axis) : x;
                // Without the last: a difference would lose what is small beside it.
                if (c.Node.Int("exclusive", 0) != 0 && x.Size(axis) > 0)
                    summed = Tensor.Cat(
                        [Tensor.ZerosLike(summed.Narrow(axis, 0, 1)), summed.Narrow(axis, 0, x.Size(axis) - 1)],
                        axis
                    );
                var sums = summed.Cumsum(axis, x.DType);
                return reversed ? sums.Flip(axis) : sums;
            }
        );
    }

    private static void AddLogic(Dictionary<string, Operation> table)
    {
        table.One("And", c => c[0].LogicalAnd(c[1]));
        table.One("Or", c => c[0].LogicalOr(c[1]));
        table.One("Xor", c => c[0].LogicalXor(c[1]));
        table.One("BitwiseAnd", c => c[0] & c[1]);
        table.One("BitwiseOr", c => c[0] | c[1]);
        table.One("BitwiseXor", c => c[0] ^ c[1]);
        table.One(
            "BitShift",
            c =>
                c.Node.Text("direction", "") switch
                {
                    "LEFT" => c[0].BitwiseLeftShift(c[1]),
                    "RIGHT" => c[0].BitwiseRightShift(c[1]),
                    var other => throw c.Node.Wrong(
                        $"shifts to the direction '{other}', which is neither LEFT nor RIGHT"
                    ),
                }
        );
        table.One("Equal", c => c[0].Eq(c[1]));
        table.One("Less", c => c[0] < c[1]);
        table.One("LessOrEqual", c => c[0] <= c[1]);
        table.One("Greater", c => c[0] > c[1]);
        table.One("GreaterOrEqual", c => c[0] >= c[1]);
        table.One("Where", c => Tensor.Where(c[0], c[1], c[2]));
        table.One(
            "IsInf",
            c =>
            {
                bool positive = c.Node.Int("detect_positive", 1) != 0;
                bool negative = c.Node.Int("detect_negative", 1) != 0;
                return positive && negative ? c[0].IsInf()
                    : positive ? c[0].IsPosInf()
                    : negative ? c[0].IsNegInf()
                    : Tensor.Zeros(c[0].Shape, DType.Bool, c[0].Device);
            }
        );
    }

    /// <summary>A number in the dtype of a tensor.</summary>
    public static Tensor Number(double value, Tensor like) => Tensor.Full([], value, like.DType);

    // The dtype of the base, in which integers of all sizes have their powers.
    private static Tensor Power(Tensor x, Tensor exponent)
    {
        if (x.DType == exponent.DType)
            return x.Pow(exponent);
        return x.DType.IsFloat()
            ? x.Pow(exponent.To(x.DType))
            : x.To(DType.Float64).Pow(exponent.To(DType.Float64)).To(x.DType);
    }

    private static Tensor Folded(Call call, Func<Tensor, Tensor, Tensor> function)
    {
        var made = call[0];
        for (int i = 1; i < call.Count; i++)
            made = function(made, call[i]);
        return made;
    }

    // Before version 13 all dimensions from the axis on are one row.
    private static Tensor Rows(Call call, Func<Tensor, int, Tensor> function)
    {
        var x = call[0];
        if (call.Node.Opset >= 13)
            return function(x, call.Axis("axis", -1, x.Rank));
        int axis = call.Axis("axis", 1, x.Rank);
        return function(Shapes.Flat(x, axis), 1).Reshape(x.Shape);
    }
}
